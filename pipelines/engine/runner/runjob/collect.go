package runjob

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/klauspost/compress/flate"
)

// patterns of files below the project directory, as GitLab's runner reads them: "*",
// "?", "[a-z]" and "{a,b}" within one directory, "**" across them. One that chooses a
// directory takes all that is in it.
type patterns []string

// They are below dir, or absolute and begin with it, as "$CI_PROJECT_DIR/out" does.
// Those that lead elsewhere choose nothing; see outside.
func newPatterns(dir string, list []string) (patterns, error) {
	var out patterns
	for _, p := range list {
		clean, ok := below(dir, p)
		if !ok {
			continue
		}
		if !doublestar.ValidatePattern(clean) {
			return nil, fmt.Errorf("path %q is no pattern", p)
		}
		out = append(out, clean)
	}
	return out, nil
}

// below dir is where a pattern leads: its clean form, relative to dir.
func below(dir, pattern string) (string, bool) {
	if strings.TrimSpace(pattern) == "" {
		return "", false
	}
	clean := path.Clean(pattern)
	switch rest, ok := strings.CutPrefix(clean, dir+"/"); {
	case ok:
		clean = rest
	case clean == dir:
		clean = "."
	}
	return clean, filepath.IsLocal(clean)
}

// outside are the patterns that lead out of dir.
func outside(dir string, list []string) (out []string) {
	for _, p := range list {
		if _, ok := below(dir, p); !ok && strings.TrimSpace(p) != "" {
			out = append(out, p)
		}
	}
	return out
}

func (p patterns) match(name string) bool {
	for _, one := range p {
		if ok, _ := doublestar.Match(one, name); ok || one == "." {
			return true
		}
	}
	return false
}

// chosen says which files a job keeps.
type chosen struct {
	paths, exclude []string
	untracked      bool
}

// match lists them below dir with the directories on the way that the patterns name,
// links not followed, sorted. What is in .git is never among them.
func (c chosen) match(dir string) ([]string, error) {
	in, err := newPatterns(filepath.ToSlash(dir), c.paths)
	if err != nil {
		return nil, err
	}
	ex, err := newPatterns(filepath.ToSlash(dir), c.exclude)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	if c.untracked {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		known = tracked(root)
		root.Close()
	}
	var out []string
	below := "" // the directory whose contents are all in
	err = fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist):
			return nil // not ours to keep, or gone meanwhile
		case err != nil:
			return err
		case p == ".git" && d.IsDir():
			return fs.SkipDir
		case p == ".":
			if in.match(p) {
				below = "."
			}
			return nil
		}
		all := below == "." || below != "" && strings.HasPrefix(p, below+"/")
		if !all && in.match(p) {
			all = true
			if d.IsDir() {
				below = p
			}
		}
		file := d.Type().IsRegular() || d.Type()&fs.ModeSymlink != 0
		if (all && (file || d.IsDir()) || c.untracked && file && !known[p]) && !ex.match(p) {
			out = append(out, p)
		}
		return nil
	})
	return out, err
}

// zipFiles writes the files below dir as a zip, without the secrets of mask.
func zipFiles(w io.Writer, dir string, files []string, mask [][]byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	zw := zip.NewWriter(w)
	zw.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	for _, name := range files {
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		h, err := zip.FileInfoHeader(info)
		if err != nil {
			return err
		}
		h.Name, h.Method = name, zip.Deflate
		if info.IsDir() {
			h.Name, h.Method = name+"/", zip.Store
		}
		fw, err := zw.CreateHeader(h)
		if err != nil {
			return err
		}
		m := NewMasker(fw, mask)
		if err := errors.Join(content(m, root, name, info), m.Flush()); err != nil {
			return err
		}
	}
	return zw.Close()
}

func content(w io.Writer, root *os.Root, name string, info fs.FileInfo) error {
	if info.IsDir() {
		return nil
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		link, err := root.Readlink(name)
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, link)
		return err
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// TarDir writes dir as a tar.gz, links as links, without what skip says. Skip may be nil.
func TarDir(w io.Writer, dir string, skip func(path string, directory bool) bool) error {
	gz := gzip.NewWriter(w)
	tw := tar.NewWriter(gz)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || rel == "." {
			return err
		}
		if skip != nil && skip(filepath.ToSlash(rel), d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil || !(info.Mode().IsRegular() || info.IsDir() || info.Mode()&fs.ModeSymlink != 0) {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(p); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		h.Name, h.Uid, h.Gid, h.Uname, h.Gname = filepath.ToSlash(rel), 0, 0, "", ""
		if err := tw.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(tw, f)
		return err
	})
	return errors.Join(err, tw.Close(), gz.Close())
}

// Piped turns a writer of a stream into a reader of it.
func Piped(write func(io.Writer) error) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(write(w)) }()
		return r, nil
	}
}
