package git

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// maxAncestors bounds how far Reachable looks back.
const maxAncestors = 200_000

// Reachable says whether commit is tip or one of its ancestors. What lies further back
// than 200,000 commits counts as not.
func (s *Store) Reachable(ctx context.Context, ns, repo, tip, commit string) (bool, error) {
	return again(s, ns, repo, func() (bool, error) { return s.reachable(ctx, ns, repo, tip, commit) })
}

func (s *Store) reachable(ctx context.Context, ns, repo, tip, commit string) (bool, error) {
	from, err := s.commit(ctx, ns, repo, tip)
	if err != nil {
		return false, err
	}
	to, err := s.commit(ctx, ns, repo, commit)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	found, seen := false, 0
	err = object.NewCommitIterCTime(from, nil, nil).ForEach(func(c *object.Commit) error {
		found = c.Hash == to.Hash
		if seen++; found || seen > maxAncestors {
			return storer.ErrStop
		}
		return ctx.Err()
	})
	if err != nil {
		return false, fmt.Errorf("repository %s: ancestors of %s: %w", repo, short(tip), missing(err))
	}
	return found, nil
}
