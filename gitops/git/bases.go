package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Bases are repositories elsewhere whose trees are parts of others: remote bases of
// Kustomize. Nobody's credentials are used for them. Each is mirrored once, for all
// who name it, and forgotten when others were wanted since.
type Bases struct {
	// Host has a directory of its own, and no repositories but these.
	Host   *Host
	Remote Remote
	// Max repositories. Default 200.
	Max int

	mu sync.Mutex
}

const basesNamespace = "bases"

// ErrRevision is wrapped when a revision is not one that stays what it is.
var ErrRevision = errors.New("not a fixed revision")

// Base writes the tree of a tag or a full commit of the repository at url into dir.
func (b *Bases) Base(ctx context.Context, url, revision, dir string) error {
	sum := sha256.Sum256([]byte(url))
	name := "b" + hex.EncodeToString(sum[:])[:MaxName-1]
	commit, err := b.commit(ctx, name, revision)
	if err != nil {
		if err := b.Host.Fetch(ctx, basesNamespace, name, Source{URL: url, Remote: b.Remote}); err != nil {
			return err
		}
		if commit, err = b.commit(ctx, name, revision); err != nil {
			return fmt.Errorf("%s: %w", publicURL(url), err)
		}
	}
	if err := b.Host.Checkout(ctx, basesNamespace, name, commit, dir, ""); err != nil {
		return fmt.Errorf("%s: %w", publicURL(url), err)
	}
	b.prune(name)
	return nil
}

// commit that a revision means in what is mirrored already. A branch means none: what
// it names today is something else tomorrow.
func (b *Bases) commit(ctx context.Context, name, revision string) (string, error) {
	if ValidCommit(revision) {
		_, err := b.Host.commit(ctx, basesNamespace, name, revision)
		return revision, err
	}
	refs, err := b.Host.refs(ctx, basesNamespace, name)
	if err != nil {
		return "", err
	}
	if r, ok := refs["refs/tags/"+revision]; ok {
		return r.commit, nil
	}
	if _, ok := refs["refs/heads/"+revision]; ok {
		return "", fmt.Errorf("%q is a branch: %w; name a tag or a full commit", revision, ErrRevision)
	}
	return "", fmt.Errorf("tag %q %w", clip(revision, 100), ErrNotFound)
}

// prune forgets the repositories that were not wanted the longest.
func (b *Bases) prune(keep string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	type item struct {
		name string
		used time.Time
	}
	var items []item
	parent, err := b.Host.path(basesNamespace, keep)
	if err != nil {
		return
	}
	now := time.Now()
	_ = os.Chtimes(parent, now, now)
	for _, p := range b.Host.glob(basesNamespace + "/b*.git") {
		if info, err := os.Stat(p); err == nil {
			items = append(items, item{info.Name()[:len(info.Name())-len(".git")], info.ModTime()})
		}
	}
	limit := b.Max
	if limit <= 0 {
		limit = 200
	}
	slices.SortFunc(items, func(x, y item) int { return y.used.Compare(x.used) })
	for _, i := range items[min(len(items), limit):] {
		if i.name != keep {
			_ = b.Host.Remove(basesNamespace, i.name)
		}
	}
}
