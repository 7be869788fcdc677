package git

import (
	"context"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// Gitlink is the commit of the submodule that the commit has at path; what is not there,
// or is no submodule, is ErrNotFound.
func (s *Store) Gitlink(ctx context.Context, ns, repo, commit, p string) (string, error) {
	return again(s, ns, repo, func() (string, error) {
		p, err := cleanPath(p)
		if err != nil {
			return "", fmt.Errorf("repository %s: %w", repo, err)
		}
		c, err := s.commit(ctx, ns, repo, commit)
		if err != nil {
			return "", err
		}
		tree, err := c.Tree()
		if err != nil {
			return "", fmt.Errorf("repository %s: commit %s: %w", repo, short(commit), missing(err))
		}
		e, err := tree.FindEntry(p)
		if err == nil && e.Mode != filemode.Submodule {
			err = ErrNotFound
		}
		if err != nil {
			return "", fmt.Errorf("repository %s: submodule %q in commit %s: %w", repo, p, short(commit), missing(err))
		}
		return e.Hash.String(), nil
	})
}
