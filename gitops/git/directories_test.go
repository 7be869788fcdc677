package git

import (
	"context"
	"strings"
	"testing"
)

func TestDirectories(t *testing.T) {
	b := newBench(t)
	for _, f := range []string{"apps/web/deploy.yaml", "apps/web/overlays/prod/kustomization.yaml", "apps/api/deploy.yaml", "docs/only/nested/a.md"} {
		b.commit("w", f, "x")
	}
	commit := b.commit("w", "readme", "x")
	b.git("w", "push", "-q", b.url("w"), "main")
	got, err := b.host.Directories(context.Background(), "default", "w", commit)
	if want := ". apps/api apps/web apps/web/overlays/prod docs/only/nested"; err != nil || strings.Join(got, " ") != want {
		t.Fatalf("%v %v, want %s", got, err, want)
	}
	if _, err := b.host.Directories(context.Background(), "default", "w", strings.Repeat("0", 40)); err == nil {
		t.Fatal("an unknown commit has directories")
	}
}
