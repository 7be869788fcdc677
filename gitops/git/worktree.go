package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Worktree is the tree of one commit, to be changed in memory and become another. It is
// for one goroutine.
type Worktree struct {
	ctx   context.Context
	store *Store
	ns    string
	repo  string
	base  plumbing.Hash // zero: there is no commit yet
	root  plumbing.Hash
	// objects are those of the repository, and in front of them the new ones.
	objects *overlay
}

// overlay has new objects in memory and all others where they are.
type overlay struct {
	storer.EncodedObjectStorer
	fresh *memory.Storage
}

func (o *overlay) EncodedObject(t plumbing.ObjectType, h plumbing.Hash) (plumbing.EncodedObject, error) {
	if obj, err := o.fresh.EncodedObject(t, h); err == nil {
		return obj, nil
	}
	return o.EncodedObjectStorer.EncodedObject(t, h)
}

func (o *overlay) put(kind plumbing.ObjectType, encode func(plumbing.EncodedObject) error) (plumbing.Hash, error) {
	obj := o.fresh.NewEncodedObject()
	obj.SetType(kind)
	if err := encode(obj); err != nil {
		return plumbing.ZeroHash, err
	}
	return o.fresh.SetEncodedObject(obj)
}

// worktree of a commit of the repository.
func (s *Store) worktree(ctx context.Context, ns, repo, commit string) (*Worktree, error) {
	c, err := s.commit(ctx, ns, repo, commit)
	if err != nil {
		return nil, err
	}
	r, err := s.open(ctx, ns, repo)
	if err != nil {
		return nil, err
	}
	return &Worktree{
		ctx: ctx, store: s, ns: ns, repo: repo, base: c.Hash, root: c.TreeHash,
		objects: &overlay{EncodedObjectStorer: r.Storer, fresh: memory.NewStorage()},
	}, nil
}

func (w *Worktree) tree() (*object.Tree, error) {
	t, err := object.GetTree(w.objects, w.root)
	if err != nil {
		return nil, fmt.Errorf("repository %s: tree %s: %w", w.repo, w.root, missing(err))
	}
	return t, nil
}

// File returns the whole file at p as it is now; a missing one is ErrNotFound, and a
// symbolic link is an error.
func (w *Worktree) File(p string) ([]byte, error) {
	p, err := cleanPath(p)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", w.repo, err)
	}
	t, err := w.tree()
	if err != nil {
		return nil, err
	}
	e, err := t.FindEntry(p)
	if err != nil {
		return nil, fmt.Errorf("repository %s: file %q: %w", w.repo, p, missing(err))
	}
	if !plainFile(e.Mode) {
		return nil, fmt.Errorf("repository %s: %q is not a file", w.repo, p)
	}
	blob, err := object.GetBlob(w.objects, e.Hash)
	if err != nil {
		return nil, fmt.Errorf("repository %s: file %q: %w", w.repo, p, missing(err))
	}
	if limit := w.store.limits().File; blob.Size > limit {
		return nil, fmt.Errorf("repository %s: file %q has %d bytes: %w of %d", w.repo, p, blob.Size, ErrLimit, limit)
	}
	r, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func plainFile(m filemode.FileMode) bool {
	return m == filemode.Regular || m == filemode.Executable || m == filemode.Deprecated
}

// maxListed bounds what Files lists.
const maxListed = 10_000

// Files lists the paths of all files below dir, sorted; none where it is not there.
func (w *Worktree) Files(dir string) ([]string, error) {
	dir, err := cleanPath(dir)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", w.repo, err)
	}
	t, err := w.tree()
	if err == nil && dir != "" {
		t, err = t.Tree(dir)
	}
	if errors.Is(missing(err), ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("repository %s: directory %q: %w", w.repo, dir, err)
	}
	var out []string
	walker := object.NewTreeWalker(t, true, nil)
	defer walker.Close()
	for {
		name, e, err := walker.Next()
		if errors.Is(err, io.EOF) {
			sort.Strings(out)
			return out, nil
		}
		if err == nil {
			err = w.ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("repository %s: directory %q: %w", w.repo, dir, missing(err))
		}
		if plainFile(e.Mode) {
			if out = append(out, path.Join(dir, name)); len(out) > maxListed {
				return nil, fmt.Errorf("repository %s: more than %d files in %q: %w", w.repo, maxListed, dir, ErrLimit)
			}
		}
	}
}

// Write makes data the content of the file at p; its mode stays.
func (w *Worktree) Write(p string, data []byte) error {
	p, err := cleanPath(p)
	if err != nil || p == "" {
		return fmt.Errorf("repository %s: path %q: %w", w.repo, p, ErrName)
	}
	blob, err := w.objects.put(plumbing.BlobObject, func(o plumbing.EncodedObject) error {
		out, err := o.Writer()
		if err != nil {
			return err
		}
		_, err = out.Write(data)
		return errors.Join(err, out.Close())
	})
	if err != nil {
		return err
	}
	return w.set(p, func(have *object.TreeEntry) (*object.TreeEntry, error) {
		e := &object.TreeEntry{Mode: filemode.Regular, Hash: blob}
		if have != nil {
			if !plainFile(have.Mode) {
				return nil, fmt.Errorf("repository %s: %q is not a file", w.repo, p)
			}
			e.Mode = have.Mode
		}
		return e, nil
	})
}

// Restore makes what is at p what it is in another commit of the repository; it goes if
// that has nothing there.
func (w *Worktree) Restore(p, commit string) error {
	p, err := cleanPath(p)
	if err != nil {
		return fmt.Errorf("repository %s: %w", w.repo, err)
	}
	c, err := w.store.commit(w.ctx, w.ns, w.repo, commit)
	if err != nil {
		return err
	}
	if p == "" {
		w.root = c.TreeHash
		return nil
	}
	t, err := c.Tree()
	if err != nil {
		return fmt.Errorf("repository %s: commit %s: %w", w.repo, short(commit), missing(err))
	}
	e, err := t.FindEntry(p)
	if err != nil && !errors.Is(missing(err), ErrNotFound) {
		return fmt.Errorf("repository %s: %q in commit %s: %w", w.repo, p, short(commit), err)
	}
	return w.set(p, func(*object.TreeEntry) (*object.TreeEntry, error) {
		if err != nil {
			return nil, nil
		}
		return &object.TreeEntry{Mode: e.Mode, Hash: e.Hash}, nil
	})
}

// set changes the entry at p by what change makes of it; nil stands for none.
func (w *Worktree) set(p string, change func(have *object.TreeEntry) (*object.TreeEntry, error)) error {
	root, err := w.setIn(w.root, strings.Split(p, "/"), change)
	if err != nil {
		return err
	}
	if root == plumbing.ZeroHash {
		root, err = w.objects.put(plumbing.TreeObject, (&object.Tree{}).Encode)
	}
	w.root = root
	return err
}

// setIn does so within a tree and returns the new one, zero if nothing is left in it.
func (w *Worktree) setIn(tree plumbing.Hash, elements []string, change func(*object.TreeEntry) (*object.TreeEntry, error)) (plumbing.Hash, error) {
	var entries []object.TreeEntry
	if tree != plumbing.ZeroHash {
		t, err := object.GetTree(w.objects, tree)
		if err != nil {
			return tree, fmt.Errorf("repository %s: %w", w.repo, missing(err))
		}
		entries = slices.Clone(t.Entries)
	}
	name := elements[0]
	at := slices.IndexFunc(entries, func(e object.TreeEntry) bool { return e.Name == name })
	var have, now *object.TreeEntry
	if at >= 0 {
		have = &entries[at]
	}
	var err error
	if len(elements) == 1 {
		now, err = change(have)
	} else {
		below := plumbing.ZeroHash
		if have != nil {
			if have.Mode != filemode.Dir {
				return tree, fmt.Errorf("repository %s: %q is not a directory", w.repo, name)
			}
			below = have.Hash
		}
		if below, err = w.setIn(below, elements[1:], change); below != plumbing.ZeroHash {
			now = &object.TreeEntry{Mode: filemode.Dir, Hash: below}
		}
	}
	switch {
	case err != nil:
		return tree, err
	case now == nil && have == nil:
		return tree, nil
	case now == nil:
		entries = slices.Delete(entries, at, at+1)
	case have == nil:
		now.Name = name
		entries = append(entries, *now)
	default:
		now.Name = name
		entries[at] = *now
	}
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	sort.Sort(object.TreeEntrySorter(entries))
	return w.objects.put(plumbing.TreeObject, (&object.Tree{Entries: entries}).Encode)
}

// changed says whether the tree is another than the commit's.
func (w *Worktree) changed() (bool, error) {
	c, err := object.GetCommit(w.objects, w.base)
	if err != nil {
		return false, fmt.Errorf("repository %s: %w", w.repo, missing(err))
	}
	return c.TreeHash != w.root, nil
}

// commit makes the commit on top of the base, and a pack of all that is new.
func (w *Worktree) commit(message string, now time.Time) (plumbing.Hash, []byte, error) {
	by := object.Signature{Name: "Slipway", Email: "slipway@slipway.invalid", When: now}
	c := &object.Commit{Author: by, Committer: by, Message: message, TreeHash: w.root, ParentHashes: []plumbing.Hash{w.base}}
	hash, err := w.objects.put(plumbing.CommitObject, c.Encode)
	if err != nil {
		return hash, nil, err
	}
	var hashes []plumbing.Hash
	for h := range w.objects.fresh.Objects {
		hashes = append(hashes, h)
	}
	var pack bytes.Buffer
	_, err = packfile.NewEncoder(&pack, w.objects.fresh, false).Encode(hashes, 0)
	return hash, pack.Bytes(), err
}
