package git

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	b.commit("w", "deploy/app.yaml", "kind: Service\n")
	b.git("w", "checkout", "-q", "-b", "dev")
	c := b.commit("w", "bin/run", "#!/bin/sh\n")
	b.git("w", "push", "-q", b.url("w"), "main:master", "dev")
	s := b.host.Store

	if got, err := s.File(ctx, "default", "w", c, "deploy/app.yaml"); err != nil || string(got) != "kind: Service\n" {
		t.Fatalf("%q %v", got, err)
	}
	for _, p := range []string{"none", "deploy/none", "deploy/app.yaml/x"} {
		if _, err := s.File(ctx, "default", "w", c, p); !errors.Is(err, ErrNotFound) {
			t.Fatalf("%s: %v", p, err)
		}
		if ok, err := s.Exists(ctx, "default", "w", c, p); ok || err != nil {
			t.Fatalf("%s exists: %v %v", p, ok, err)
		}
	}
	for _, p := range []string{"../x", "/etc/passwd", "a/../../b", "a\x00b", "deploy//app.yaml", ".."} {
		if _, err := s.File(ctx, "default", "w", c, p); !errors.Is(err, ErrName) {
			t.Fatalf("%q: %v", p, err)
		}
	}
	if ok, err := s.Exists(ctx, "default", "w", c, "deploy/"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	tree, err := s.Tree(ctx, "default", "w", c, "deploy")
	if err != nil || len(tree) != 1 || tree[0].Path != "deploy/app.yaml" || tree[0].Kind != "file" || tree[0].Size != 14 {
		t.Fatalf("%+v %v", tree, err)
	}
	root, err := s.Resolve(ctx, "default", "w", "master")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		tip, commit string
		want        bool
	}{{c, c, true}, {c, root, true}, {root, c, false}, {c, strings.Repeat("a", 40), false}} {
		if ok, err := s.Reachable(ctx, "default", "w", tt.tip, tt.commit); ok != tt.want || err != nil {
			t.Errorf("%s reachable from %s: %v %v", tt.commit, tt.tip, ok, err)
		}
	}
	if got, err := s.Resolve(ctx, "default", "w", "dev"); err != nil || got != c {
		t.Fatal(got, err)
	}
	_, err = s.Resolve(ctx, "default", "w", "main")
	if want := `repository w: branch or tag "main" not found; known: dev, master`; err == nil || err.Error() != want {
		t.Fatalf("%v, want %s", err, want)
	}
	for _, rev := range []string{"--upload-pack=x", "-x", "HEAD~1", "main^{/x}"} {
		if _, err := s.Resolve(ctx, "default", "w", rev); !errors.Is(err, ErrNotFound) {
			t.Fatalf("%s: %v", rev, err)
		}
	}
	info, err := s.Commit(ctx, "default", "w", c)
	if err != nil || info.Subject != "write bin/run" || info.Author != "Ann" || info.Time.IsZero() {
		t.Fatalf("%+v %v", info, err)
	}
	log, err := s.Log(ctx, "default", "w", c, 10)
	if err != nil || len(log) != 2 || log[0].Hash != c {
		t.Fatalf("%+v %v", log, err)
	}
	branches, err := s.Branches(ctx, "default", "w")
	if err != nil || len(branches) != 2 || branches["dev"] != c {
		t.Fatal(branches, err)
	}
	s.Limits.File = 5
	if _, err := s.File(ctx, "default", "w", c, "deploy/app.yaml"); !errors.Is(err, ErrLimit) {
		t.Fatal(err)
	}
	s.Limits.Tree = 5
	if err := s.Archive(ctx, "default", "w", c, io.Discard); !errors.Is(err, ErrLimit) {
		t.Fatal(err)
	}
	s.Limits = Limits{Entries: 2}
	if err := s.Checkout(ctx, "default", "w", c, t.TempDir(), ""); !errors.Is(err, ErrLimit) {
		t.Fatal(err)
	}
	if _, err := s.File(ctx, "default", "nothere", c, "x"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
}

func TestArchiveAndCheckout(t *testing.T) {
	ctx := context.Background()
	b := newBench(t)
	b.commit("w", "deploy/base/app.yaml", "a")
	if err := errors.Join(os.Symlink("base/app.yaml", filepath.Join(b.work, "w/deploy/link")), os.WriteFile(filepath.Join(b.work, "w/run"), []byte("#!"), 0o755)); err != nil {
		t.Fatal(err)
	}
	c := b.commit("w", "deploy/x", "x")
	b.git("w", "push", "-q", b.url("w"), "main")
	s := b.host.Store

	var buf bytes.Buffer
	if err := s.Archive(ctx, "default", "w", c, &buf); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&buf)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(tr)
		seen[h.Name] = h.FileInfo().Mode().String() + " " + h.Linkname + string(body)
	}
	for name, want := range map[string]string{"deploy/link": "Lrwxrwxrwx base/app.yaml", "run": "-rwxr-xr-x #!", "deploy/base/app.yaml": "-rw-r--r-- a", "deploy/": "drwxr-xr-x "} {
		if seen[name] != want {
			t.Errorf("%s: %q, want %q", name, seen[name], want)
		}
	}
	dir := t.TempDir()
	if err := s.Checkout(ctx, "default", "w", c, dir, "deploy"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "link")); err != nil || string(got) != "a" {
		t.Fatalf("%q %v", got, err)
	}
}

// Threat 1: symbolic links out of the repository, plain and in chains.
func TestSymlinkOutside(t *testing.T) {
	for name, links := range map[string][][2]string{
		"file":      {{"etc", "../../../../etc/passwd"}},
		"absolute":  {{"etc", "/etc/passwd"}},
		"directory": {{"up", ".."}},
		"chain":     {{"a/b/c/up", "../../.."}, {"out", "a/b/c/up/../../x"}},
		"loop":      {{"x", "y"}, {"y", "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.commit("w", "a/b/c/f", "1")
			for _, l := range links {
				if err := os.Symlink(l[1], filepath.Join(b.work, "w", l[0])); err != nil {
					t.Fatal(err)
				}
			}
			c := b.commit("w", "g", "1")
			b.git("w", "push", "-q", b.url("w"), "main")
			dir := t.TempDir()
			if err := b.host.Checkout(context.Background(), "default", "w", c, dir, ""); err != nil {
				t.Fatalf("the rest of the repository cannot be used: %v", err)
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			if _, err := root.Stat(links[len(links)-1][0]); err == nil || errors.Is(err, os.ErrNotExist) {
				t.Fatalf("a link out was followed: %v", err)
			}
			if _, err := root.Stat("a/b/c/f"); err != nil {
				t.Fatal(err)
			}
			_, err = b.host.File(context.Background(), "default", "w", c, links[0][0])
			if err == nil || !strings.Contains(err.Error(), "is a symbolic link") {
				t.Fatalf("a link was read: %v", err)
			}
		})
	}
}

// Threat 4: nothing of a pushed repository runs here, and git's own directory
// cannot be written through a tree.
func TestDotGitInTreeIsRefused(t *testing.T) {
	for _, name := range []string{".git", ".GIT", ".gIt"} {
		b := newBench(t)
		b.commit("w", "a", "1")
		blob := b.git("w", "hash-object", "-w", "a")
		cmd := "100644 blob " + blob + "\t" + name + "\n"
		if err := os.WriteFile(filepath.Join(b.work, "w", "tree"), []byte(cmd), 0o600); err != nil {
			t.Fatal(err)
		}
		// git mktree refuses nothing; the server's fsck has to.
		tree := b.gitIn("w", cmd, "mktree")
		c := b.git("w", "commit-tree", "-m", "x", tree)
		b.refused("unpack", "w", "push", b.url("w"), c+":refs/heads/main")
	}
}
