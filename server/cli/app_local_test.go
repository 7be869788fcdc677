package cli

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway.dev/gitops/source"
)

func TestAWorkingCopyIsPackedAsItWouldBeCommitted(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		".git/config": "[core]", ".gitignore": "node_modules/\n*.log\n", "deploy/a.yaml": "a", "deploy/.gitignore": "secret.yaml\n", "deploy/secret.yaml": "s",
		"node_modules/x/y.js": "js", "build.log": "log", "untracked.yaml": "u", "sub/.git": "gitdir: elsewhere", "sub/b.yaml": "b",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"deploy/link.yaml": "a.yaml", "deploy/out.yaml": "../../outside", "deploy/abs.yaml": "/etc/passwd"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(root, "untracked.yaml"), 1); err != nil {
		t.Fatal(err)
	}
	large, err := os.Create(filepath.Join(root, "large.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if err := large.Truncate(maxLocalFile + 1); err != nil {
		t.Fatal(err)
	}
	_ = large.Close()

	var left []string
	var archive bytes.Buffer
	if err := packWorkingCopy(t.Context(), root, &archive, func(name, why string) { left = append(left, name) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(left)
	if got := strings.Join(left, " "); got != "deploy/abs.yaml deploy/out.yaml large.bin" {
		t.Errorf("left out: %s", got)
	}
	// What is sent is what the server takes.
	dir := t.TempDir()
	if err := source.Unpack(&archive, dir); err != nil {
		t.Fatal(err)
	}
	var got []string
	err = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if !e.IsDir() {
			name, _ := filepath.Rel(dir, p)
			got = append(got, name)
		}
		return err
	})
	if want := ".gitignore deploy/.gitignore deploy/a.yaml deploy/link.yaml sub/b.yaml untracked.yaml"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%v, got %s, want %s", err, strings.Join(got, " "), want)
	}
}

func TestTheWorkingCopyOfADirectory(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "repo/.git/x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "repo/deploy/prod"), 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{"repo": "repo", "repo/deploy/prod": "repo", ".": "."} {
		got, err := workingCopy(filepath.Join(root, dir))
		if err != nil || got != filepath.Join(root, want) {
			t.Errorf("%s: %s %v, want %s", dir, got, err, want)
		}
	}
	if _, err := workingCopy(filepath.Join(root, "none")); err == nil {
		t.Error("a directory that is not there")
	}
}
