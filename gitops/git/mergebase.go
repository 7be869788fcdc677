package git

import (
	"context"
	"fmt"
)

// MergeBase is the youngest commit that both a commit and another revision reach. It is
// ErrNotFound where there is none.
func (s *Store) MergeBase(ctx context.Context, ns, repo, commit, other string) (string, error) {
	with, err := s.Resolve(ctx, ns, repo, other)
	if err != nil {
		return "", err
	}
	return again(s, ns, repo, func() (string, error) {
		a, err := s.commit(ctx, ns, repo, commit)
		if err != nil {
			return "", err
		}
		b, err := s.commit(ctx, ns, repo, with)
		if err != nil {
			return "", err
		}
		base, err := mergeBase(ctx, a, b)
		if err == nil && base == nil {
			err = ErrNotFound
		}
		if err != nil {
			return "", fmt.Errorf("repository %s: merge base of %s and %s: %w", repo, short(commit), other, missing(err))
		}
		return base.Hash.String(), nil
	})
}
