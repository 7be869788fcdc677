package git

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// ErrAmbiguous is wrapped where an abbreviated name stands for several commits.
var ErrAmbiguous = errors.New("ambiguous")

const (
	// minAbbreviation of an object name, in digits.
	minAbbreviation = 7
	// maxAlike objects that begin alike are looked at.
	maxAlike = 1000
)

// prefixes is what go-git's object storage can do beside what its interface says.
type prefixes interface {
	HashesWithPrefix(prefix []byte) ([]plumbing.Hash, error)
}

// HashesWithPrefix are the names of all objects that begin so, in the pool too.
func (s *storage) HashesWithPrefix(prefix []byte) ([]plumbing.Hash, error) {
	own, err := s.Storage.HashesWithPrefix(prefix)
	if err != nil || s.pool == nil {
		return own, err
	}
	pooled, err := s.pool.HashesWithPrefix(prefix)
	return append(own, pooled...), err
}

var _ prefixes = (*storage)(nil)

// Abbreviated is the one commit whose object name begins with prefix, of at least seven
// digits. It need not be on a branch.
func (s *Store) Abbreviated(ctx context.Context, ns, repo, prefix string) (string, error) {
	if ValidCommit(prefix) {
		return again(s, ns, repo, func() (string, error) {
			_, err := s.commit(ctx, ns, repo, prefix)
			return prefix, err
		})
	}
	if len(prefix) < minAbbreviation || len(prefix) > 40 || strings.Trim(prefix, "0123456789abcdef") != "" {
		return "", fmt.Errorf("repository %s: commit %.60q: %w; want at least %d hexadecimal digits", repo, prefix, ErrName, minAbbreviation)
	}
	bytes, err := hex.DecodeString(prefix[:len(prefix)/2*2])
	if err != nil {
		return "", err
	}
	return again(s, ns, repo, func() (string, error) {
		r, done, err := s.reader(ctx, ns, repo)
		if err != nil {
			return "", err
		}
		defer done()
		p, ok := r.Storer.(prefixes)
		if !ok {
			return "", fmt.Errorf("repository %s: its storage knows no abbreviated names", repo)
		}
		alike, err := p.HashesWithPrefix(bytes)
		if err != nil {
			return "", fmt.Errorf("repository %s: commit %s: %w", repo, prefix, err)
		}
		alike = slices.DeleteFunc(alike, func(h plumbing.Hash) bool { return !strings.HasPrefix(h.String(), prefix) })
		if len(alike) > maxAlike {
			return "", fmt.Errorf("repository %s: commit %s: %w: more than %d objects begin so", repo, prefix, ErrAmbiguous, maxAlike)
		}
		found := ""
		for _, h := range alike {
			_, err := r.CommitObject(h)
			switch {
			case errors.Is(err, plumbing.ErrObjectNotFound), found == h.String():
				continue // another kind of object, or in two packs
			case err != nil:
				return "", fmt.Errorf("repository %s: commit %s: %w", repo, prefix, err)
			case found != "":
				return "", fmt.Errorf("repository %s: commit %s: %w: %s and %s begin so", repo, prefix, ErrAmbiguous, short(found), short(h.String()))
			}
			found = h.String()
		}
		if found == "" {
			return "", fmt.Errorf("repository %s: commit %s %w", repo, prefix, ErrNotFound)
		}
		return found, nil
	})
}
