package git

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Archive writes commit as a gzipped tar. Symbolic links are kept as they are:
// whoever unpacks it must not follow them. Submodules are empty directories.
func (s *Store) Archive(ctx context.Context, ns, repo, commit string, w io.Writer) error {
	c, err := s.commit(ctx, ns, repo, commit)
	if err != nil {
		return err
	}
	tree, err := c.Tree()
	if err != nil {
		return fmt.Errorf("repository %s: commit %s: %w", repo, short(commit), err)
	}
	zw, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(zw)
	err = s.writeTree(ctx, tw, tree, c.Committer.When)
	if err != nil {
		return fmt.Errorf("repository %s: archive of %s: %w", repo, short(commit), err)
	}
	return errors.Join(tw.Close(), zw.Close())
}

// writeTree writes all below tree with that modification time.
func (s *Store) writeTree(ctx context.Context, tw *tar.Writer, tree *object.Tree, at time.Time) error {
	return s.walk(ctx, tree, "", func(p string, mode filemode.FileMode, f *object.File) error {
		h := &tar.Header{Name: p, ModTime: at, Format: tar.FormatPAX}
		switch mode {
		case filemode.Dir, filemode.Submodule:
			h.Typeflag, h.Name, h.Mode = tar.TypeDir, p+"/", 0o755
			return tw.WriteHeader(h)
		case filemode.Symlink:
			to, err := linkTarget(f)
			if err != nil {
				return err
			}
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, to, 0o777
			return tw.WriteHeader(h)
		}
		h.Typeflag, h.Mode, h.Size = tar.TypeReg, 0o644, f.Size
		if mode == filemode.Executable {
			h.Mode = 0o755
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		return copyFile(tw, f)
	})
}

// walkTree visits every entry with its hash, directories before what is in them.
func (s *Store) walkTree(ctx context.Context, tree *object.Tree, visit func(string, filemode.FileMode, plumbing.Hash, int64) error) error {
	w := walker{ctx: ctx, limits: s.limits()}
	w.visit = func(p string, mode filemode.FileMode, f *object.File) error {
		var size int64
		if f != nil {
			size = f.Size
		}
		return visit(p, mode, w.hash, size)
	}
	return w.dir(tree, "", 0)
}

// Checkout writes the directory subpath ("" is the root) of commit into dir,
// which must exist and be empty: the content of subpath lands directly in dir.
// Symbolic links are kept as they are, also those that lead out of dir: one somewhere in
// a repository must not keep the rest of it from being used. Whoever reads what was
// written goes through os.Root, which follows none of them out.
func (s *Store) Checkout(ctx context.Context, ns, repo, commit, dir, subpath string) error {
	r, done, err := s.reader(ctx, ns, repo)
	if err != nil {
		return err
	}
	defer done()
	clean, err := cleanPath(subpath)
	if err != nil {
		return fmt.Errorf("repository %s: %w", repo, err)
	}
	tree, rest := nearest(r, s.known.of(ns, repo, commit), clean)
	if tree == nil || rest != "" {
		if tree, _, err = treeOf(r, repo, commit, clean); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("repository %s: checkout: %w", repo, err)
	}
	defer root.Close()
	type link struct{ path, to string }
	var links []link
	err = s.walk(ctx, tree, "", func(p string, mode filemode.FileMode, f *object.File) error {
		switch mode {
		case filemode.Dir, filemode.Submodule:
			return root.Mkdir(p, 0o755)
		case filemode.Symlink:
			to, err := linkTarget(f)
			links = append(links, link{p, to})
			return err
		}
		perm := os.FileMode(0o644)
		if mode == filemode.Executable {
			perm = 0o755
		}
		out, err := root.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
		if err != nil {
			return err
		}
		return errors.Join(copyFile(out, f), out.Close())
	})
	// Links come last, so that no file was written through one.
	for _, l := range links {
		if err == nil {
			err = root.Symlink(l.to, l.path)
		}
	}
	if err != nil {
		return fmt.Errorf("repository %s: checkout of %s: %w", repo, short(commit), err)
	}
	return nil
}

// walk visits every entry below tree, directories before what is in them.
func (s *Store) walk(ctx context.Context, tree *object.Tree, base string, visit func(string, filemode.FileMode, *object.File) error) error {
	w := walker{ctx: ctx, limits: s.limits(), visit: visit}
	return w.dir(tree, base, 0)
}

type walker struct {
	ctx     context.Context
	limits  Limits
	entries int
	bytes   int64
	visit   func(string, filemode.FileMode, *object.File) error
	hash    plumbing.Hash // of the entry that is visited
}

func (w *walker) dir(tree *object.Tree, base string, depth int) error {
	if depth > 100 {
		return fmt.Errorf("directory %q is more than 100 deep: %w", base, ErrLimit)
	}
	for i := range tree.Entries {
		e := &tree.Entries[i]
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := entryName(e.Name); err != nil {
			return err
		}
		if w.entries++; w.entries > w.limits.Entries {
			return fmt.Errorf("more than %d files: %w", w.limits.Entries, ErrLimit)
		}
		p := path.Join(base, e.Name)
		w.hash = e.Hash
		switch e.Mode {
		case filemode.Submodule:
			if err := w.visit(p, e.Mode, nil); err != nil {
				return err
			}
		case filemode.Dir:
			if err := w.visit(p, e.Mode, nil); err != nil {
				return err
			}
			sub, err := tree.Tree(e.Name)
			if err != nil {
				return fmt.Errorf("directory %q: %w", p, missing(err))
			}
			if err := w.dir(sub, p, depth+1); err != nil {
				return err
			}
		case filemode.Regular, filemode.Executable, filemode.Deprecated, filemode.Symlink:
			f, err := tree.TreeEntryFile(e)
			if err != nil {
				return fmt.Errorf("file %q: %w", p, missing(err))
			}
			if w.bytes += f.Size; w.bytes > w.limits.Tree {
				return fmt.Errorf("files of more than %d bytes in all: %w", w.limits.Tree, ErrLimit)
			}
			if err := w.visit(p, e.Mode, f); err != nil {
				return err
			}
		default:
			return fmt.Errorf("entry %q of mode %s: %w", p, e.Mode, ErrName)
		}
	}
	return nil
}

func copyFile(w io.Writer, f *object.File) error {
	r, err := f.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, io.LimitReader(r, f.Size))
	return err
}

func linkTarget(f *object.File) (string, error) {
	if f.Size == 0 || f.Size > 4096 {
		return "", fmt.Errorf("symbolic link %q of %d bytes: %w", f.Name, f.Size, ErrLimit)
	}
	r, err := f.Reader()
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, f.Size))
	return string(b), err
}
