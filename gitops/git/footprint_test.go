package git

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFootprints(t *testing.T) {
	b := newBench(t)
	paths := []string{"web", "kustom", "chart", "linked", "plain", "file", "", "none", "../x", "nested"}
	b.commit("w", "web/a.yaml", "1")
	b.commit("w", "kustom/overlay/kustomization.yaml", "resources: [../../base]\n")
	b.commit("w", "chart/Chart.yaml", "dependencies: [{name: lib, repository: \"file://../lib\"}]\n")
	b.commit("w", "plain/kustomization.yaml", "resources: [a.yaml]\n")
	b.commit("w", "plain/readme.md", "see ../other\n")
	if err := os.MkdirAll(filepath.Join(b.work, "w", "linked"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../web/a.yaml", filepath.Join(b.work, "w", "linked", "l")); err != nil {
		t.Fatal(err)
	}
	first := b.commit("w", "file", "1")
	second := b.commit("w", "web/b.yaml", "2")
	b.git("w", "push", "-q", b.url("w"), "main")
	at := func(commit string) []Footprint {
		got, err := b.host.Footprints(t.Context(), "default", "w", commit, paths)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	one, two := at(first), at(second)
	for i, want := range []struct{ same, there, outward bool }{
		{false, true, false}, {true, true, true}, {true, true, true}, {true, true, true}, {true, true, false}, {true, true, false},
		{false, true, false}, {true, false, false}, {true, false, false}, {true, false, false},
	} {
		if (one[i] == two[i]) != want.same || (two[i].Hash != "") != want.there || two[i].Outward != want.outward {
			t.Errorf("%q: %+v %+v", paths[i], one[i], two[i])
		}
	}
}

// What is known of a commit says the same as the commit, and finds what is below it.
func TestKnownDirectories(t *testing.T) {
	b := newBench(t)
	b.commit("w", "apps/web/kustomization.yaml", "resources: [a.yaml]\n")
	b.commit("w", "apps/web/a.yaml", "1")
	b.commit("w", "apps/out/kustomization.yaml", "resources: [../web]\n")
	commit := b.commit("w", "apps/web/sub/b.yaml", "2")
	b.git("w", "push", "-q", b.url("w"), "main")
	at := func(paths ...string) []Footprint {
		got, err := b.host.Footprints(t.Context(), "default", "w", commit, paths)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	files := []string{"apps/web/a.yaml", "apps/web/sub/b.yaml", "apps/web/none", "apps/web/sub", "apps/out", "apps"}
	unknown := at(files...)
	b.host.known = known{}
	dirs := at("apps/web", "apps/out")
	if dirs[0].Hash == "" || dirs[0].Outward || !dirs[1].Outward {
		t.Fatalf("%+v", dirs)
	}
	if got := len(b.host.known.of("default", "w", commit)); got != 2 {
		t.Fatalf("%d directories are known", got)
	}
	if got := at("apps/web", "apps/out"); !slices.Equal(got, dirs) {
		t.Errorf("%+v, before %+v", got, dirs)
	}
	if got := at(files...); !slices.Equal(got, unknown) {
		t.Errorf("%+v, without what is known %+v", got, unknown)
	}
	dir := t.TempDir()
	if err := b.host.Checkout(t.Context(), "default", "w", commit, dir, "apps/web"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "sub", "b.yaml")); err != nil || string(text) != "2" {
		t.Errorf("%q, %v", text, err)
	}
	for i := range 2 * knownCommits {
		b.host.known.add("default", "w", fmt.Sprint(i), map[string]Footprint{"a": {Hash: "b"}})
	}
	if n := b.host.known.commits.Len(); n != knownCommits {
		t.Errorf("%d commits are known", n)
	}
}
