package git

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// unpackSnapshot writes it where git can look at it.
func unpackSnapshot(t *testing.T, h *Host, s Snapshot) string {
	t.Helper()
	var b bytes.Buffer
	if err := h.WriteSnapshot(t.Context(), s, &b); err != nil {
		t.Fatal(err)
	}
	zr, err := zstd.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	dir := t.TempDir()
	tr := tar.NewReader(zr)
	for {
		hd, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(dir, hd.Name)
		switch hd.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(p, 0o755)
		case tar.TypeSymlink:
			err = os.Symlink(hd.Linkname, p)
		default:
			var data []byte
			if data, err = io.ReadAll(tr); err == nil {
				err = os.WriteFile(p, data, fs.FileMode(hd.Mode))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func gitOut(t *testing.T, dir string, args ...string) string {
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

// snapshotHost has a repository with 30 commits, a merge, tags, links and a script.
func snapshotHost(t *testing.T) (*Host, string) {
	t.Helper()
	h := newBench(t).host
	if err := h.ensure("default", "shop", hosted); err != nil {
		t.Fatal(err)
	}
	bare, err := h.path("default", "shop")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	gitOut(t, work, "init", "-q", "-b", "main")
	for i := range 30 {
		if err := os.WriteFile(filepath.Join(work, "n"), []byte(fmt.Sprint(i)), 0o644); err != nil {
			t.Fatal(err)
		}
		gitOut(t, work, "add", ".")
		gitOut(t, work, "commit", "-qm", fmt.Sprint("commit ", i))
		if i == 2 || i == 27 {
			gitOut(t, work, "tag", "-am", "release", fmt.Sprintf("v%d", i))
		}
	}
	gitOut(t, work, "checkout", "-qb", "side", "HEAD~3")
	if err := os.Mkdir(filepath.Join(work, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(work, "dir/run.sh"), []byte("#!/bin/sh\n"), 0o755), os.Symlink("dir/run.sh", filepath.Join(work, "link"))); err != nil {
		t.Fatal(err)
	}
	gitOut(t, work, "add", ".")
	gitOut(t, work, "commit", "-qm", "side")
	gitOut(t, work, "checkout", "-q", "main")
	gitOut(t, work, "merge", "-q", "--no-ff", "-m", "merge", "side")
	gitOut(t, work, "push", "-q", bare, "main", "side", "--tags")
	return h, gitOut(t, work, "rev-parse", "HEAD")
}

func TestSnapshotIsACheckoutAsGitMakesIt(t *testing.T) {
	h, head := snapshotHost(t)
	dir := unpackSnapshot(t, h, Snapshot{Namespace: "default", Repository: "shop", Commit: head, Ref: "refs/heads/main", Depth: 5})
	gitOut(t, dir, "fsck", "--strict")
	for _, c := range []struct{ args, want string }{
		{"status --porcelain", ""}, {"rev-parse HEAD", head}, {"rev-parse origin/main", head}, {"rev-parse --is-shallow-repository", "true"},
		{"log -1 --format=%s", "merge"}, {"describe --tags HEAD~1", "v27-2-g"}, {"tag", "v27"},
		{"diff --name-only HEAD~1", "dir/run.sh\nlink"}, {"branch --show-current", ""},
	} {
		if got := gitOut(t, dir, strings.Fields(c.args)...); got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("git %s: %q, want %q", c.args, got, c.want)
		}
	}
	bare, err := h.path("default", "shop")
	if err != nil {
		t.Fatal(err)
	}
	cloned := filepath.Join(t.TempDir(), "clone")
	gitOut(t, bare, "clone", "-q", "--depth=5", "file://"+bare, cloned)
	if got, want := gitOut(t, dir, "rev-list", "HEAD"), gitOut(t, cloned, "rev-list", "HEAD"); got != want {
		t.Errorf("history %s, git's own %s", got, want)
	}
	full := unpackSnapshot(t, h, Snapshot{Namespace: "default", Repository: "shop", Commit: head, Ref: "refs/heads/main"})
	gitOut(t, full, "fsck", "--strict")
	if got := gitOut(t, full, "tag") + gitOut(t, full, "branch", "-r") + gitOut(t, full, "rev-list", "--count", "--all"); got != "v2\nv27origin/main\n  origin/side32" {
		t.Errorf("full history: %q", got)
	}
	noTree := unpackSnapshot(t, h, Snapshot{Namespace: "default", Repository: "shop", Commit: head, Depth: 1, NoTree: true})
	if _, err := os.Stat(filepath.Join(noTree, "n")); err == nil || gitOut(t, noTree, "log", "--format=%s") != "merge" {
		t.Error("without a tree there is one")
	}
}

func TestSnapshotsAreKeptWithinTheirRoomAndGoWithTheRepository(t *testing.T) {
	h, head := snapshotHost(t)
	files := func() []string {
		list, err := filepath.Glob(filepath.Join(h.Dir, ".snapshots/default/shop/*"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	ask := func(depth int) {
		s := Snapshot{Namespace: "default", Repository: "shop", Commit: head, Ref: "refs/heads/main", Depth: depth}
		if err := h.WriteSnapshot(t.Context(), s, io.Discard); err != nil {
			t.Error(err)
		}
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { ask(3) })
	}
	all.Wait()
	if got := files(); len(got) != 1 {
		t.Fatalf("one snapshot asked for eight times: %v", got)
	}
	// A moved tag makes another one.
	bare, err := h.path("default", "shop")
	if err != nil {
		t.Fatal(err)
	}
	gitOut(t, bare, "tag", "new", head)
	ask(3)
	if got := files(); len(got) != 2 {
		t.Fatalf("a new tag is not seen: %v", got)
	}
	h.MaxSnapshots = 1
	ask(4)
	if got := files(); len(got) != 1 {
		t.Errorf("%d snapshots in one byte", len(got))
	}
	missing := Snapshot{Namespace: "default", Repository: "shop", Commit: strings.Repeat("a", 40)}
	if err := h.WriteSnapshot(t.Context(), missing, io.Discard); !errors.Is(err, ErrNotFound) {
		t.Errorf("a commit that is not there: %v", err)
	}
	if err := h.Remove("default", "shop"); err != nil || len(files()) != 0 {
		t.Errorf("after removal %v, err %v", files(), err)
	}
}
