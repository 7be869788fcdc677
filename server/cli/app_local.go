package cli

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// maxLocalFile is larger than any file that is rendered: no larger one is sent.
const maxLocalFile = 16 << 20

// workingCopy is the root of the Git working copy that dir is in, or dir itself.
func workingCopy(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(dir); err != nil {
		return "", err
	} else if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory", dir)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return dir, nil
		}
	}
}

// packWorkingCopy writes what a commit of everything would have as a gzipped tar file: not
// .git, nor what .gitignore names. What is left out all the same is told.
func packWorkingCopy(ctx context.Context, root string, to io.Writer, left func(name, why string)) error {
	patterns, err := gitignore.ReadPatterns(osfs.New(root), nil)
	if err != nil {
		return fmt.Errorf(".gitignore: %w", err)
	}
	ignored := gitignore.NewMatcher(patterns)
	zw := gzip.NewWriter(to)
	tw := tar.NewWriter(zw)
	err = filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil || name == "." {
			return err
		}
		parts := strings.Split(name, string(filepath.Separator))
		if e.Name() == ".git" || ignored.Match(parts, e.IsDir()) {
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			return nil
		case e.Type()&fs.ModeSymlink != 0:
			return packLink(tw, root, name, left)
		case !e.Type().IsRegular():
			left(name, "neither a file nor a link")
			return nil
		case info.Size() > maxLocalFile:
			left(name, fmt.Sprintf("larger than %d MiB", maxLocalFile>>20))
			return nil
		}
		return packFile(tw, file, filepath.ToSlash(name), info)
	})
	return errors.Join(err, tw.Close(), zw.Close())
}

func packFile(tw *tar.Writer, file, name string, info fs.FileInfo) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: info.Size()}); err != nil {
		return err
	}
	// One that grows meanwhile is cut; one that shrinks is an error of the archive.
	_, err = io.CopyN(tw, f, info.Size())
	return err
}

func packLink(tw *tar.Writer, root, name string, left func(name, why string)) error {
	target, err := os.Readlink(filepath.Join(root, name))
	if err != nil {
		return err
	}
	if filepath.IsAbs(target) || !filepath.IsLocal(filepath.Join(filepath.Dir(name), target)) {
		left(name, "a link that leads out of the working copy")
		return nil
	}
	return tw.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: filepath.ToSlash(name), Linkname: filepath.ToSlash(target)})
}

// diffLocal prints what would change if the working copy around dir were pushed.
func (c *user) diffLocal(ctx context.Context, app, dir string, out, notes io.Writer) error {
	root, err := workingCopy(dir)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	go func() {
		w.CloseWithError(packWorkingCopy(ctx, root, w, func(name, why string) { fmt.Fprintf(notes, "not sent: %s: %s\n", name, why) }))
	}()
	defer r.Close()
	answer, err := c.Open(ctx, "POST", c.Path("applications", app, "diff"), io.Reader(r))
	if err != nil {
		return err
	}
	defer answer.Close()
	_, err = io.Copy(out, answer)
	return err
}
