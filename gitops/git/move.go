package git

import (
	"context"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

const (
	// maxMoved commits of one update are looked at.
	maxMoved = 10_000
	// skew is how much younger than its child a commit may say that it is.
	skew = 24 * time.Hour
)

// move is what an update of a branch did.
type move struct {
	// forced: the commit before is none of those that the new one is made of.
	forced bool
	// brought are the commits that came with it, as far as they were looked at.
	brought map[string]bool
}

// moved compares the two commits of an update. What cannot be told within the limits is
// taken as no more than an ordinary push.
func (s *Store) moved(ctx context.Context, ns, repo string, u Update) (move, error) {
	return again(s, ns, repo, func() (move, error) {
		m := move{brought: map[string]bool{}}
		old, err := s.commit(ctx, ns, repo, u.Before)
		if err != nil {
			return m, err
		}
		tip, err := s.commit(ctx, ns, repo, u.Commit)
		if err != nil {
			return m, err
		}
		found, ended := false, true
		err = object.NewCommitIterCTime(tip, nil, nil).ForEach(func(c *object.Commit) error {
			switch {
			case c.Hash == old.Hash:
				found = true
			case c.Committer.When.Before(old.Committer.When.Add(-skew)):
			case len(m.brought) >= maxMoved:
				ended = false
			default:
				m.brought[c.Hash.String()] = true
				// A rebase or a squash by the forge has no parent that tells; a merge does.
				for _, p := range c.ParentHashes {
					if len(c.ParentHashes) > 1 {
						m.brought[p.String()] = true
					}
				}
				return ctx.Err()
			}
			return storer.ErrStop
		})
		if err != nil {
			return m, fmt.Errorf("repository %s: commits of %s: %w", repo, short(u.Commit), missing(err))
		}
		delete(m.brought, old.Hash.String())
		m.forced = !found && ended
		return m, nil
	})
}
