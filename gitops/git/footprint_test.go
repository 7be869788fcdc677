package git

import (
	"os"
	"path/filepath"
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
