package runjob

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@x", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@x")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestIndexIsFreshWithoutGit(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "-q")
	for _, name := range []string{"a", "dir/b c", strings.Repeat("x", 200)} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "x")
	// As from the server: no times, no inodes.
	git(t, dir, "read-tree", "--empty")
	git(t, dir, "read-tree", "HEAD")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if out := git(t, dir, "diff-files", "--name-only"); out == "" {
		t.Fatal("the index was fresh before")
	}
	if err := refreshIndex(root); err != nil {
		t.Fatal(err)
	}
	// diff-files does not look into files: it trusts the index.
	if out := git(t, dir, "diff-files", "--name-only"); out != "" {
		t.Errorf("git sees changes: %s", out)
	}
	if got := tracked(root); len(got) != 4 || !got["dir/b c"] {
		t.Errorf("tracked %v", got)
	}
}

func FuzzIndex(f *testing.F) {
	data := append([]byte("DIRC"), make([]byte, 8+72+20)...)
	binary.BigEndian.PutUint32(data[4:], 2)
	binary.BigEndian.PutUint32(data[8:], 1)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = eachEntry(data, func(e []byte, name string) error {
			if len(e) < indexFixed {
				t.Fatal("short")
			}
			return nil
		})
	})
}
