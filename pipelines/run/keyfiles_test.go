package run

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
)

// commitOf are the files of one commit; those with the content "link" are links.
type commitOf map[string]string

func (c commitOf) Exists(_ context.Context, _, _, _, path string) (bool, error) {
	for name := range c {
		if name == path || strings.HasPrefix(name, path+"/") {
			return true, nil
		}
	}
	return false, nil
}

func (c commitOf) File(_ context.Context, _, _, _, path string) ([]byte, error) {
	text, ok := c[path]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case text == "link":
		return nil, errors.New("a symbolic link")
	}
	return []byte(text), nil
}
func (c commitOf) List(context.Context, string, string, string) ([]string, error) { return nil, nil }
func (c commitOf) Changed(context.Context, string, string, string, string) ([]string, error) {
	return nil, nil
}
func (c commitOf) Resolve(context.Context, string, string, string) (string, error) { return "", nil }

// TestKeysOfFiles: the hash is the runner's (TestHashOfFiles of runjob has the same), or
// left to it.
func TestKeysOfFiles(t *testing.T) {
	const both, one = "f02e9b95d6081f55a1bbc0d1be9ae9c2911c64ec1c0cd886f2edbb1b8ea00ded", "c4b35b034341ceb0cef784a4fe2ccc563167bc65cc41b5cd2896d5f66052e488"
	files := commitOf{"a.lock": "one\n", "a/b/lock": "two\n", "link": "link"}
	for name, tt := range map[string]struct {
		checkout plan.Checkout
		files    []string
		want     string
	}{
		"one":              {plan.Checkout{}, []string{"a.lock"}, one},
		"in order":         {plan.Checkout{}, []string{"a.lock", "a/b/lock", "a.lock"}, both},
		"one is not there": {plan.Checkout{}, []string{"a.lock", "gone"}, one},
		"none is there":    {plan.Checkout{}, []string{"gone"}, ""},
		"a pattern":        {plan.Checkout{}, []string{"*.lock"}, ""},
		"a directory":      {plan.Checkout{}, []string{"a"}, ""},
		"a link":           {plan.Checkout{}, []string{"link"}, ""},
		"outside":          {plan.Checkout{}, []string{"../a.lock"}, ""},
		"no checkout":      {plan.Checkout{Strategy: "none"}, []string{"a.lock"}, ""},
		"submodules":       {plan.Checkout{Submodules: "normal"}, []string{"a.lock"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Controller{Source: files}
			caches := []wire.Cache{{Key: "x"}, {KeyFiles: tt.files}}
			c.hashKeys(t.Context(), &v1alpha1.Run{}, &tt.checkout, caches)
			if caches[0].Hash != "" || caches[1].Hash != tt.want {
				t.Errorf("%+v, want %q", caches, tt.want)
			}
		})
	}
}
