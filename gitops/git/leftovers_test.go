package git

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSweepTakesLocksOfAnEarlierServer and leaves those of this one.
func TestSweepTakesLocksOfAnEarlierServer(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	repo := filepath.Join(s.Dir, "default", "shop.git")
	left := []string{"HEAD.lock", "packed-refs.lock", "refs/heads/main.lock", "refs/heads/a/b.lock",
		"objects/incoming-x/pack/half", "objects/tmp_objdir-incoming-x/pack/half", "objects/pack/tmp_pack_x"}
	kept := []string{"HEAD", "refs/heads/main", "objects/pack/pack-1.pack", "refs/heads/now.lock"}
	for _, f := range append(left, kept...) {
		f = filepath.Join(repo, f)
		if err := os.MkdirAll(filepath.Dir(f), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := began.Add(-time.Hour)
	err := filepath.Walk(repo, func(f string, _ os.FileInfo, err error) error {
		if err != nil || filepath.Base(f) == "now.lock" {
			return err
		}
		return os.Chtimes(f, old, old)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.sweep()
	for _, f := range left {
		if _, err := os.Lstat(filepath.Join(repo, f)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", f, err)
		}
	}
	for _, f := range kept {
		if _, err := os.Lstat(filepath.Join(repo, f)); err != nil {
			t.Error(err)
		}
	}
}
