package source

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// Limits of a tree that somebody sends.
const (
	// MaxUpload is how many bytes the packed tree may have.
	MaxUpload       = 32 << 20
	maxUploadBytes  = 256 << 20
	maxUploadFiles  = 30_000
	maxUploadLength = 4096 // of a name
)

// RenderTree renders the tree that fill writes into a directory, as Render does a commit of
// the application's repository. Nothing of it is kept.
func (r *Renderer) RenderTree(ctx context.Context, app *v1alpha1.Application, desired v1alpha1.Desired, fill func(dir string) error) (*render.Set, error) {
	if app.Spec.Source.Repository == "" {
		return nil, render.Refuse("", 0, "application %s has no repository: its chart comes from elsewhere, and nothing local is rendered", app.Name)
	}
	w := work{Renderer: r, app: app, desired: desired, fill: fill}
	if err := w.prepare(ctx); err != nil {
		return nil, err
	}
	answer, err := w.render(ctx)
	if err != nil {
		return nil, err
	}
	answer.Set.Hidden = w.hidden.list()
	return answer.Set, nil
}

// Unpack writes a gzipped tar file of a working copy into dir. Whatever is not a file, a
// directory or a link within dir is refused, as is one that is larger than the limits.
func Unpack(in io.Reader, dir string) error {
	refuse := func(format string, args ...any) error { return render.Refuse("", 0, "archive: "+format, args...) }
	zr, err := gzip.NewReader(in)
	if err != nil {
		return refuse("not a gzipped tar file: %v", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var size int64
	tr := tar.NewReader(zr)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return refuse("%v", err)
		}
		if n >= maxUploadFiles {
			return refuse("more than %d files; leave out what no manifest needs with .gitignore", maxUploadFiles)
		}
		name, ok := entryName(h.Name)
		if !ok {
			return refuse("%.200q is no path within it", h.Name)
		}
		switch h.Typeflag {
		case tar.TypeXGlobalHeader:
			continue
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeSymlink:
			if target := path.Join(path.Dir(name), h.Linkname); path.IsAbs(h.Linkname) || !filepath.IsLocal(target) {
				return refuse("the link %.200q leads out of it", h.Name)
			}
			if err = root.MkdirAll(path.Dir(name), 0o755); err == nil {
				err = root.Symlink(h.Linkname, name)
			}
		case tar.TypeReg:
			if size += h.Size; h.Size < 0 || size > maxUploadBytes {
				return refuse("more than %d MiB unpacked; leave out what no manifest needs with .gitignore", maxUploadBytes>>20)
			}
			err = extract(root, name, tr)
		default:
			return refuse("%.200q is neither a file nor a directory nor a symbolic link", h.Name)
		}
		if err != nil {
			var inner *os.PathError
			if errors.As(err, &inner) || errors.As(err, new(*os.LinkError)) {
				return refuse("%.200q: %v", h.Name, errors.Unwrap(err))
			}
			return err
		}
	}
}

func extract(root *os.Root, name string, from io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	// A name that is there already, as a link, is not followed.
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, from); err != nil {
		_ = f.Close()
		return render.Refuse("", 0, "archive: %v", err)
	}
	return f.Close()
}

// entryName is the name of an entry, if it is a clean path below the directory.
func entryName(name string) (string, bool) {
	clean := path.Clean(strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/"))
	if name == "" || len(name) > maxUploadLength || strings.ContainsAny(name, "\x00\r\n\\") || path.IsAbs(name) || !filepath.IsLocal(clean) {
		return "", false
	}
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return "", false
		}
	}
	return clean, true
}
