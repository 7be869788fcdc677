package node

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"slipway.dev/cluster/node/layout"
)

func TestOnlyWhatWasMissingIsOurs(t *testing.T) {
	l, err := layout.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	theirs, ours := filepath.Join(root, "theirs"), filepath.Join(root, "ours")
	for _, dir := range []string{theirs, l.Run()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	note := func(want ...string) {
		t.Helper()
		if err := noteOutside(l, []string{ours, theirs}); err != nil {
			t.Fatal(err)
		}
		if got := l.Made(); !slices.Equal(got, want) {
			t.Errorf("made %v, want %v", got, want)
		}
	}
	note(ours)
	if err := os.Mkdir(ours, 0o700); err != nil {
		t.Fatal(err)
	}
	note(ours) // a second start: it stays ours
	if err := os.Remove(theirs); err != nil {
		t.Fatal(err)
	}
	note(ours, theirs) // who had it has gone
}
