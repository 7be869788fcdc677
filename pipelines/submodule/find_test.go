package submodule

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestAbsolute(t *testing.T) {
	for _, tt := range []struct{ base, address, want string }{
		{"https://s/git/default/shop.git", "../lib.git", "https://s/git/default/lib.git"},
		{"https://s/git/default/shop.git", "../../other/lib", "https://s/git/other/lib"},
		{"https://s/git/default/shop.git", "./lib", "https://s/git/default/shop.git/lib"},
		{"https://s/git/default/shop.git", "../../../../../lib", ""},
		{"git@github.com:org/app.git", "../lib.git", "git@github.com:org/lib.git"},
		{"ssh://git@example.org:2222/org/app.git", "../lib.git", "ssh://git@example.org:2222/org/lib.git"},
		{"https://s/x.git", "https://t/y.git", "https://t/y.git"},
		{"https://s", "../x", ""},
	} {
		if got := absolute(tt.base, tt.address); got != tt.want {
			t.Errorf("%s at %s is %q, want %q", tt.address, tt.base, got, tt.want)
		}
	}
}

func TestPlace(t *testing.T) {
	const want = "github.com/org/lib"
	for _, same := range []string{"https://github.com/org/lib.git", "git@github.com:org/lib.git", "ssh://git@GitHub.com:22/org/lib", "http://user:pw@github.com/org/lib/"} {
		if got := place(same); got != want {
			t.Errorf("%s is %q", same, got)
		}
	}
	for _, none := range []string{"", "../lib", "/srv/lib.git", "file:///srv/lib.git", "ext::sh -c x", "-x", "https://github.com", "https://github.com/../.."} {
		if got := place(none); got != "" {
			t.Errorf("%s is %q", none, got)
		}
	}
}

// commits by REPOSITORY@COMMIT: files, and gitlinks as "path -> commit".
type commits map[string]map[string]string

func (c commits) File(_ context.Context, _, repo, commit, path string) ([]byte, error) {
	if text, ok := c[repo+"@"+commit][path]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

func (c commits) Gitlink(_ context.Context, _, repo, commit, path string) (string, error) {
	if at, ok := c[repo+"@"+commit]["-> "+path]; ok {
		return at, nil
	}
	return "", fs.ErrNotExist
}

func (c commits) Exists(_ context.Context, _, repo, commit, _ string) (bool, error) {
	if _, ok := c[repo+"@"+commit]; !ok {
		return false, fs.ErrNotExist
	}
	return true, nil
}

func module(name, path, url string) string {
	return "[submodule \"" + name + "\"]\n\tpath = " + path + "\n\turl = " + url + "\n"
}

func TestFind(t *testing.T) {
	repo := func(name, url string, readers ...string) *v1alpha1.Repository {
		return &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
			Spec: v1alpha1.RepositorySpec{URL: url, JobAccess: v1alpha1.JobAccess{ReadableByJobs: readers}}}
	}
	shop := repo("shop", "")
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	other := repo("lib", "", "*")
	other.Namespace = "other"
	f := &Finder{Servers: []string{"https://10.0.0.5:8443", "https://ci.example.org"}, Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		shop, repo("lib", "", "shop"), repo("deep", "", "*"), repo("private", "", "lib"), repo("mirror", "https://github.com/org/theirs.git", "shop"), other).Build()}
	shopOf := func(modules string, links ...string) commits {
		c := commits{"shop@1": {File: modules}, "lib@2": {File: module("deep", "deep", "../deep"), "-> deep": "3"}, "deep@3": {}, "mirror@4": {}, "private@5": {}, "mirror@6": {File: module("x", "x", "../app"), "-> x": "7"}}
		for _, l := range links {
			path, commit, _ := strings.Cut(l, "@")
			c["shop@1"]["-> "+path] = commit
		}
		return c
	}
	for _, tt := range []struct {
		name      string
		tree      commits
		recursive bool
		paths     []string
		want      string // PATH=REPOSITORY@COMMIT, or the refusal
	}{
		{"none", commits{"shop@1": {}}, true, nil, ""},
		{"relative", shopOf(module("l", "libs/l", "../lib.git"), "libs/l@2"), false, nil, "libs/l=lib@2 https://10.0.0.5:8443/git/default/lib.git"},
		{"recursive", shopOf(module("l", "libs/l", "../lib.git"), "libs/l@2"), true, nil, "libs/l=lib@2 https://10.0.0.5:8443/git/default/lib.git; libs/l/deep=deep@3 in libs/l https://10.0.0.5:8443/git/default/deep.git"},
		{"as people know it", shopOf(module("l", "l", "https://ci.example.org/git/lib.git"), "l@2"), false, nil, "l=lib@2 https://10.0.0.5:8443/git/default/lib.git"},
		{"as jobs know it", shopOf(module("l", "l", "https://10.0.0.5:8443/git/default/lib"), "l@2"), false, nil, "l=lib@2 https://10.0.0.5:8443/git/default/lib.git"},
		{"a mirror", shopOf(module("t", "t", "git@github.com:org/theirs.git"), "t@4"), false, nil, "t=mirror@4 https://10.0.0.5:8443/git/default/mirror.git"},
		{"relative to a mirror's", shopOf(module("t", "t", "https://github.com/org/theirs"), "t@6"), true, nil, `submodule t/x: "../app" is no repository of this server; mirror it here: slipway repo add NAME https://github.com/org/app`},
		{"chosen", shopOf(module("l", "l", "../lib")+module("x", "x", "https://nowhere.example.org/x"), "l@2", "x@9"), false, []string{":!x"}, "l=lib@2 https://10.0.0.5:8443/git/default/lib.git"},
		{"elsewhere", shopOf(module("x", "x", "https://user:planted@nowhere.example.org/x"), "x@9"), false, nil, `submodule x: "https://nowhere.example.org/x" is no repository of this server; mirror it here: slipway repo add NAME https://nowhere.example.org/x`},
		{"another namespace", shopOf(module("l", "l", "../../other/lib"), "l@2"), false, nil, `is no repository of this server`},
		{"not allowed", shopOf(module("p", "p", "../private"), "p@5"), false, nil, `repository private does not let jobs of shop read it; allow it there: spec.readableByJobs: [shop]`},
		{"commit not there", shopOf(module("l", "l", "../lib"), "l@99"), false, nil, `submodule l: repository lib has no commit 99; push it there`},
		{"listed only", shopOf(module("l", "l", "../lib")), false, nil, ""},
		{"a bad file", shopOf("[submodule \"x\"]\n\tpath = ../x\n\turl = y\n"), false, nil, "is not one below the repository"},
	} {
		f.Tree = tt.tree
		found, err := f.Find(t.Context(), shop, "1", tt.recursive, tt.paths)
		var got []string
		for _, one := range found {
			text := one.Path + "=" + one.Repository + "@" + one.Commit
			if one.Parent != "" {
				text += " in " + one.Parent
			}
			got = append(got, text+" "+one.URL)
		}
		var refused *RefusedError
		text := strings.Join(got, "; ")
		if errors.As(err, &refused) {
			text = err.Error()
		} else if err != nil {
			t.Fatal(err)
		}
		if ok := text == tt.want || refused != nil && strings.Contains(text, tt.want); !ok || strings.Contains(text, "planted") {
			t.Errorf("%s: %s, want %s", tt.name, text, tt.want)
		}
	}
}
