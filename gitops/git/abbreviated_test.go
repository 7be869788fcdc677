package git

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// TestAbbreviated: commits by the first digits of their names, in packs, beside them, and in
// the pool of a mirror.
func TestAbbreviated(t *testing.T) {
	b := upstream(t)
	first := b.commit("w", "a", "a\n")
	b.git("w", "push", "-q", b.url("w"), "main")
	second := b.commit("w", "a", "b\n")
	b.git("w", "push", "-q", b.url("w"), "main")
	tree := b.git("w", "rev-parse", "HEAD^{tree}")
	b.mirror("default", "copy", Source{URL: b.open("w")})
	if len(b.pools()) != 1 {
		t.Fatal("the mirror has no pool")
	}
	for _, repo := range []string{"w", "copy"} {
		for _, tt := range []struct {
			prefix, want string
			err          error
		}{
			{first, first, nil}, {first[:7], first, nil}, {first[:8], first, nil}, {second[:39], second, nil},
			{strings.TrimSpace(tree)[:10], "", fs.ErrNotExist}, {"0123abc", "", fs.ErrNotExist}, {strings.Repeat("a", 40), "", fs.ErrNotExist},
			{first[:6], "", ErrName}, {"HEAD", "", ErrName}, {"-abcdef0", "", ErrName}, {strings.ToUpper(first[:7]) + "X", "", ErrName}, {strings.Repeat("a", 41), "", ErrName},
		} {
			got, err := b.host.Store.Abbreviated(t.Context(), "default", repo, tt.prefix)
			if got != tt.want && tt.err == nil || !errors.Is(err, tt.err) {
				t.Errorf("%s: %s: %q %v, want %q %v", repo, tt.prefix, got, err, tt.want, tt.err)
			}
		}
	}
	if _, err := b.host.Store.Abbreviated(t.Context(), "default", "gone", first[:7]); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestVisibleRefs: of more than are recorded, branches, the highest versions, and of other
// tags those that sort last.
func TestVisibleRefs(t *testing.T) {
	all := map[string]ref{"refs/heads/main": {}}
	for i := range MaxRefs {
		all[fmt.Sprintf("refs/tags/v1.%d.0", i)] = ref{}
	}
	for i := range 10 {
		all[fmt.Sprintf("refs/tags/nightly-%d", i)] = ref{}
	}
	got := visible(all)
	if len(got) != MaxRefs {
		t.Fatal(len(got))
	}
	for name, want := range map[string]bool{"refs/heads/main": true, "refs/tags/nightly-0": true, "refs/tags/v1.1999.0": true, "refs/tags/v1.999.0": true, "refs/tags/v1.11.0": true, "refs/tags/v1.10.0": false, "refs/tags/v1.9.0": false} {
		if _, ok := got[name]; ok != want {
			t.Errorf("%s: %t", name, ok)
		}
	}
	for i := range MaxRefs {
		all[fmt.Sprintf("refs/tags/build-%04d", i)] = ref{}
	}
	versions := 0
	for name := range visible(all) {
		if strings.HasPrefix(name, "refs/tags/v") {
			versions++
		}
	}
	if versions != MaxRefs-1-(MaxRefs-1)/2 {
		t.Error(versions)
	}
}
