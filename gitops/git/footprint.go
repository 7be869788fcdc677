package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Footprint is what a path of a commit is, in a form that is compared.
type Footprint struct {
	// Hash of the file or directory; empty where there is none.
	Hash string
	// Outward: something below may lead out of it, a link, or a kustomization or chart
	// that names "..". Then the same Hash does not mean the same result.
	Outward bool
}

// maxFootprint is how many entries below one path are looked at for ways out.
const maxFootprint = 5000

// Footprints of paths of a commit ("" is the root), in one look.
func (s *Store) Footprints(ctx context.Context, ns, repo, commit string, paths []string) ([]Footprint, error) {
	return again(s, ns, repo, func() ([]Footprint, error) {
		r, done, err := s.reader(ctx, ns, repo)
		if err != nil {
			return nil, err
		}
		defer done()
		var root *object.Tree
		out, dirs, fresh := make([]Footprint, len(paths)), s.known.of(ns, repo, commit), map[string]Footprint{}
		for i, p := range paths {
			clean, err := cleanPath(strings.TrimPrefix(p, "./"))
			if err != nil {
				continue // leads nowhere within
			}
			if f, ok := dirs[clean]; ok {
				out[i] = f
				continue
			}
			from, rest := nearest(r, dirs, clean)
			if from == nil {
				if root == nil {
					if root, _, err = treeOf(r, repo, commit, ""); err != nil {
						return nil, err
					}
				}
				from, rest = root, clean
			}
			dir := false
			if out[i], dir, err = footprint(ctx, from, rest); err != nil {
				return nil, fmt.Errorf("repository %s: %q in commit %s: %w", repo, p, short(commit), err)
			}
			if dir {
				fresh[clean] = out[i]
			}
		}
		s.known.add(ns, repo, commit, fresh)
		return out, nil
	})
}

// footprint of what is at p below a directory, and whether it is a directory itself.
func footprint(ctx context.Context, root *object.Tree, p string) (f Footprint, dir bool, err error) {
	if p == "" {
		return Footprint{Hash: root.Hash.String()}, true, nil // nothing is outside
	}
	e, err := root.FindEntry(p)
	if errors.Is(missing(err), ErrNotFound) {
		return Footprint{}, false, nil
	}
	if err != nil {
		return Footprint{}, false, err
	}
	f = Footprint{Hash: e.Hash.String(), Outward: e.Mode == filemode.Symlink}
	if e.Mode != filemode.Dir {
		return f, false, nil
	}
	tree, err := root.Tree(p)
	if err != nil {
		return f, true, err
	}
	left := maxFootprint
	f.Outward, err = outward(ctx, tree, &left, 0)
	return f, true, err
}

// outward looks below a directory; where there is too much to look at, it may be.
func outward(ctx context.Context, tree *object.Tree, left *int, depth int) (bool, error) {
	if depth > 100 {
		return true, nil
	}
	for i := range tree.Entries {
		e := &tree.Entries[i]
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if *left--; *left < 0 {
			return true, nil
		}
		switch {
		case e.Mode == filemode.Dir:
			sub, err := tree.Tree(e.Name)
			if err != nil {
				return false, err
			}
			if out, err := outward(ctx, sub, left, depth+1); out || err != nil {
				return out, err
			}
		case e.Mode == filemode.Symlink:
			return true, nil
		case composes(e.Name):
			if out, err := namesAbove(tree, e); out || err != nil {
				return out, err
			}
		}
	}
	return false, nil
}

// composes says whether a file of that name may put others together.
func composes(name string) bool {
	switch strings.ToLower(path.Base(name)) {
	case "kustomization.yaml", "kustomization.yml", "kustomization", "chart.yaml", "requirements.yaml":
		return true
	}
	return false
}

func namesAbove(tree *object.Tree, e *object.TreeEntry) (bool, error) {
	f, err := tree.TreeEntryFile(e)
	if err != nil {
		return false, err
	}
	if f.Size > 1<<20 {
		return true, nil
	}
	r, err := f.Reader()
	if err != nil {
		return false, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return bytes.Contains(b, []byte("..")), err
}
