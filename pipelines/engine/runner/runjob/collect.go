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
	"regexp"
	"slices"
	"strings"
)

// glob compiles a pattern: "*" and "?" stay within one directory, "**" crosses them.
func glob(pattern string) (*regexp.Regexp, error) {
	pattern = path.Clean(strings.TrimPrefix(pattern, "./"))
	if !filepath.IsLocal(pattern) {
		return nil, fmt.Errorf("artifact path %q is outside the project directory", pattern)
	}
	if pattern == "." {
		pattern = "**"
	}
	var b strings.Builder
	b.WriteString("^")
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case strings.HasPrefix(pattern[i:], "**/"):
			b.WriteString("(?:.*/)?")
			i += 2
		case strings.HasPrefix(pattern[i:], "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	// A pattern that names a directory takes all that is in it.
	b.WriteString("(?:/.*)?$")
	return regexp.Compile(b.String())
}

// match lists what the patterns choose below dir, links not followed, sorted.
func match(dir string, paths, exclude []string) ([]string, error) {
	compile := func(list []string) (out []*regexp.Regexp, err error) {
		for _, p := range list {
			re, err := glob(p)
			if err != nil {
				return nil, err
			}
			out = append(out, re)
		}
		return out, nil
	}
	in, err := compile(paths)
	if err != nil {
		return nil, err
	}
	ex, err := compile(exclude)
	if err != nil {
		return nil, err
	}
	any := func(list []*regexp.Regexp, s string) bool {
		return slices.ContainsFunc(list, func(re *regexp.Regexp) bool { return re.MatchString(s) })
	}
	var out []string
	err = fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == "." {
			return err
		}
		if (d.Type().IsRegular() || d.Type()&fs.ModeSymlink != 0) && any(in, p) && !any(ex, p) {
			out = append(out, p)
		}
		return nil
	})
	return out, err
}

// zipFiles writes the files below dir as a zip.
func zipFiles(w io.Writer, dir string, files []string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	zw := zip.NewWriter(w)
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
		fw, err := zw.CreateHeader(h)
		if err != nil {
			return err
		}
		if err := content(fw, root, name, info); err != nil {
			return err
		}
	}
	return zw.Close()
}

func content(w io.Writer, root *os.Root, name string, info fs.FileInfo) error {
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

// tarDir writes dir as a tar.gz, links as links.
func tarDir(w io.Writer, dir string) error {
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

// piped turns a writer of a stream into a reader of it.
func piped(write func(io.Writer) error) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(write(w)) }()
		return r, nil
	}
}
