package git

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

const (
	// maxTagMessage is what is kept of a message: it becomes a variable of each job.
	maxTagMessage = 32 << 10
	// maxTagDepth of tags that point to tags.
	maxTagDepth = 8
)

// TagMessage is what an annotated tag (a short name) says, without its signature. It is
// empty for a tag without a message of its own, for one that is gone, and for one that
// points to another commit by now.
func (s *Store) TagMessage(ctx context.Context, ns, repo, tag, commit string) (string, error) {
	name := "refs/tags/" + tag
	if !ValidRef(name) {
		return "", nil
	}
	return again(s, ns, repo, func() (string, error) {
		r, err := s.open(ctx, ns, repo)
		if err != nil {
			return "", err
		}
		ref, err := r.Reference(plumbing.ReferenceName(name), true)
		if errors.Is(err, plumbing.ErrReferenceNotFound) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("repository %s: tag %s: %w", repo, clip(tag, 100), err)
		}
		message, at := "", ref.Hash()
		for depth := 0; depth < maxTagDepth; depth++ {
			t, err := r.TagObject(at)
			if errors.Is(err, plumbing.ErrObjectNotFound) { // a commit
				break
			}
			if err != nil {
				return "", fmt.Errorf("repository %s: tag %s: %w", repo, clip(tag, 100), err)
			}
			if depth == 0 {
				message = t.Message
			}
			at = t.Target
		}
		if at.String() != commit {
			return "", nil
		}
		message, _, _ = strings.Cut(message, "-----BEGIN SSH SIGNATURE-----")
		return clip(strings.TrimSpace(strings.ReplaceAll(message, "\x00", "")), maxTagMessage), nil
	})
}
