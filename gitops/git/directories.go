package git

import (
	"context"
	"fmt"
	"path"
	"sort"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxDirectories of one commit that Directories lists.
const maxDirectories = 50_000

// Directories of a commit that hold a file, sorted; the root is ".".
func (s *Store) Directories(ctx context.Context, ns, repo, commit string) ([]string, error) {
	return again(s, ns, repo, func() ([]string, error) { return s.directories(ctx, ns, repo, commit) })
}

func (s *Store) directories(ctx context.Context, ns, repo, commit string) ([]string, error) {
	c, err := s.commit(ctx, ns, repo, commit)
	if err != nil {
		return nil, err
	}
	root, err := c.Tree()
	if err != nil {
		return nil, fmt.Errorf("repository %s: commit %s: %w", repo, short(commit), missing(err))
	}
	var out []string
	seen := 0
	var visit func(t *object.Tree, dir string) error
	visit = func(t *object.Tree, dir string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if seen++; seen > maxDirectories {
			return fmt.Errorf("repository %s: more than %d directories in commit %s: %w", repo, maxDirectories, short(commit), ErrLimit)
		}
		holds := false
		for _, e := range t.Entries {
			switch e.Mode {
			case filemode.Regular, filemode.Executable, filemode.Deprecated:
				holds = true
			case filemode.Dir:
				if entryName(e.Name) != nil {
					continue
				}
				sub, err := t.Tree(e.Name)
				if err != nil {
					return fmt.Errorf("repository %s: directory %q in commit %s: %w", repo, path.Join(dir, e.Name), short(commit), missing(err))
				}
				if err := visit(sub, path.Join(dir, e.Name)); err != nil {
					return err
				}
			}
		}
		if holds {
			out = append(out, path.Clean(dir))
		}
		return nil
	}
	if err := visit(root, ""); err != nil {
		return nil, err
	}
	sort.Strings(out)
	return out, nil
}
