// Package checkout owns the reading of a work tree on disk as the commit for which a
// pipeline file is compiled without a server: its files as they are now, and what of
// them changed. It never writes, and never follows a link out of the tree. Start at Open.
package checkout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5"

	"slipway.dev/pipelines/gitlab"
)

// Limits.
const (
	maxFile  = 4 << 20
	maxFiles = 200_000
)

// Tree is a directory with all its files; that of a Git repository, where there is one.
type Tree struct {
	// Dir is the absolute path of its root.
	Dir  string
	root *os.Root
	repo *git.Repository // nil: no Git repository

	once   sync.Once
	status git.Status
	failed error
}

var _ gitlab.Files = (*Tree)(nil)

// Open the tree that file is in, and say under which path. Outside of a Git repository
// the tree is the directory of the file.
func Open(file string) (*Tree, string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, "", err
	}
	// The directory may be reached through links; the file itself is what it is.
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		abs = filepath.Join(dir, filepath.Base(abs))
	}
	t := &Tree{Dir: filepath.Dir(abs)}
	repo, err := git.PlainOpenWithOptions(t.Dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if err == nil {
		if w, err := repo.Worktree(); err == nil {
			t.repo, t.Dir = repo, w.Filesystem.Root()
		}
	} else if !errors.Is(err, git.ErrRepositoryNotExists) {
		return nil, "", fmt.Errorf("git repository of %s: %w", file, err)
	}
	if t.root, err = os.OpenRoot(t.Dir); err != nil {
		return nil, "", err
	}
	rel, err := filepath.Rel(t.Dir, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, "", fmt.Errorf("%s is not in %s", file, t.Dir)
	}
	return t, filepath.ToSlash(rel), nil
}

// Close the tree.
func (t *Tree) Close() error { return t.root.Close() }

// File implements gitlab.Files. A symbolic link is not followed, as on the server.
func (t *Tree) File(path string) ([]byte, error) {
	if !filepath.IsLocal(path) {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	info, err := t.root.Lstat(filepath.FromSlash(path))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	f, err := t.root.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return b, err
}

// List implements gitlab.Files: what a commit of everything that is not ignored would have.
func (t *Tree) List() ([]string, error) {
	var out []string
	if t.repo == nil {
		err := fs.WalkDir(t.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == ".git":
				return fs.SkipDir
			case !d.IsDir():
				out = append(out, p)
			}
			if len(out) > maxFiles {
				return fmt.Errorf("%s has more than %d files", t.Dir, maxFiles)
			}
			return nil
		})
		return out, err
	}
	status, err := t.changes()
	if err != nil {
		return nil, err
	}
	index, err := t.repo.Storer.Index()
	if err != nil {
		return nil, fmt.Errorf("git index: %w", err)
	}
	for _, e := range index.Entries {
		if s, ok := status[e.Name]; !ok || s.Worktree != git.Deleted {
			out = append(out, e.Name)
		}
	}
	for name, s := range status {
		if s.Worktree == git.Untracked {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// changes of the work tree since HEAD.
func (t *Tree) changes() (git.Status, error) {
	t.once.Do(func() {
		w, err := t.repo.Worktree()
		if err == nil {
			t.status, err = w.Status()
		}
		if err != nil {
			t.failed = fmt.Errorf("git status: %w", err)
		}
	})
	return t.status, t.failed
}

// short name of a branch or tag.
func short(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
}
