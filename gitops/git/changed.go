package git

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxHistory is how many commits are looked at for a merge base.
const maxHistory = 50_000

// List names every file of commit, sorted; links and submodules are no files.
func (s *Store) List(ctx context.Context, ns, repo, commit string) ([]string, error) {
	return again(s, ns, repo, func() ([]string, error) {
		tree, _, err := s.tree(ctx, ns, repo, commit, "")
		if err != nil {
			return nil, err
		}
		l := lister{ctx: ctx, limit: s.limits().Entries}
		if err := l.dir(tree, "", 0); err != nil {
			return nil, fmt.Errorf("repository %s: list of %s: %w", repo, short(commit), missing(err))
		}
		slices.Sort(l.files)
		return l.files, nil
	})
}

type lister struct {
	ctx            context.Context
	limit, entries int
	files          []string
}

func (l *lister) dir(tree *object.Tree, base string, depth int) error {
	if depth > 100 {
		return fmt.Errorf("directory %q is more than 100 deep: %w", base, ErrLimit)
	}
	for _, e := range tree.Entries {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if l.entries++; l.entries > l.limit {
			return fmt.Errorf("more than %d files: %w", l.limit, ErrLimit)
		}
		p := path.Join(base, e.Name)
		switch e.Mode {
		case filemode.Regular, filemode.Executable, filemode.Deprecated:
			l.files = append(l.files, p)
		case filemode.Dir:
			sub, err := tree.Tree(e.Name)
			if err != nil {
				return err
			}
			if err := l.dir(sub, p, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// Changed names the files that differ between from and commit, sorted. Where from is
// a branch or tag, what commit changed since it left that: the merge base is compared.
func (s *Store) Changed(ctx context.Context, ns, repo, commit, from string) ([]string, error) {
	base, err := s.Resolve(ctx, ns, repo, from)
	if err != nil {
		return nil, err
	}
	return again(s, ns, repo, func() ([]string, error) {
		a, err := s.commit(ctx, ns, repo, base)
		if err != nil {
			return nil, err
		}
		b, err := s.commit(ctx, ns, repo, commit)
		if err != nil {
			return nil, err
		}
		if base != from {
			if a, err = mergeBase(ctx, a, b); err != nil {
				return nil, fmt.Errorf("repository %s: %s and %s: %w", repo, from, short(commit), missing(err))
			}
		}
		files, err := s.diff(ctx, a, b)
		if err != nil {
			return nil, fmt.Errorf("repository %s: changes from %s to %s: %w", repo, from, short(commit), missing(err))
		}
		return files, nil
	})
}

// diff names the files that are not the same in both; a nil commit has no files.
func (s *Store) diff(ctx context.Context, a, b *object.Commit) ([]string, error) {
	var trees [2]*object.Tree
	for i, c := range []*object.Commit{a, b} {
		if c == nil {
			continue
		}
		var err error
		if trees[i], err = c.Tree(); err != nil {
			return nil, err
		}
	}
	changes, err := object.DiffTreeWithOptions(ctx, trees[0], trees[1], &object.DiffTreeOptions{})
	if err != nil {
		return nil, err
	}
	if limit := s.limits().Entries; len(changes) > limit {
		return nil, fmt.Errorf("%d files: %w of %d", len(changes), ErrLimit, limit)
	}
	var files []string
	for _, c := range changes {
		for _, name := range []string{c.From.Name, c.To.Name} {
			if name != "" {
				files = append(files, name)
			}
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// mergeBase is the youngest commit that both reach, or nil where there is none. It
// walks both histories from young to old, as git does, and never all of them.
func mergeBase(ctx context.Context, a, b *object.Commit) (*object.Commit, error) {
	const both = 3
	seen := map[plumbing.Hash]int{}
	q := &queue{}
	push := func(c *object.Commit, side int) {
		if seen[c.Hash]&side != side {
			seen[c.Hash] |= side
			heap.Push(q, c)
		}
	}
	push(a, 1)
	push(b, 2)
	for n := 0; q.Len() > 0; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if n > maxHistory {
			return nil, fmt.Errorf("no common commit among the last %d: %w", maxHistory, ErrLimit)
		}
		c := heap.Pop(q).(*object.Commit)
		if seen[c.Hash] == both {
			return c, nil
		}
		for i := range c.ParentHashes {
			p, err := c.Parent(i)
			// A shallow mirror ends somewhere.
			if errors.Is(err, plumbing.ErrObjectNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			push(p, seen[c.Hash])
		}
	}
	return nil, nil
}

// queue of commits, the youngest first.
type queue []*object.Commit

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].Committer.When.After(q[j].Committer.When) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*object.Commit)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
