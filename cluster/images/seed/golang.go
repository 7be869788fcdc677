package seed

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const architecture = runtime.GOARCH

// golangNames gives golang:1.26 and golang:1.26.8, with and without Debian's name.
func golangNames(version string) []string {
	const repository = "docker.io/library/golang:"
	minor := version
	if parts := strings.SplitN(version, ".", 3); len(parts) == 3 {
		minor = parts[0] + "." + parts[1]
	}
	return []string{
		repository + minor, repository + minor + "-bookworm",
		repository + version, repository + version + "-bookworm",
	}
}

// golangImage adds an installed Go tree and a warm build cache to an image. It has no
// C compiler, so programs are built without cgo.
func golangImage(work string, base v1.Image, from Sources) (v1.Image, error) {
	var layers []v1.Layer
	for _, part := range []struct {
		name, from string
		pack       func(to, from string) error
	}{{"golang.tar", from.GoRoot, packGo}, {"gocache.tar", from.GoCache, packGoCache}} {
		path := filepath.Join(work, part.name)
		if err := part.pack(path, part.from); err != nil {
			return nil, err
		}
		layer, err := compressed(path)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	return extend(base, v1.Config{
		Cmd:        []string{"bash"},
		WorkingDir: "/go",
		Env: []string{
			"PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"GOLANG_VERSION=" + from.GoVersion, "GOPATH=/go", "GOCACHE=/" + goCache, "GOTOOLCHAIN=local",
		},
	}, layers...)
}

func packGo(to, goroot string) (err error) {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	for _, dir := range []string{"go/", "go/bin/", "go/src/"} {
		h := &tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o1777, ModTime: epoch}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
	}
	err = filepath.WalkDir(goroot, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(goroot, path)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); !inGoImage(name) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		return addFile(w, path, filepath.ToSlash(filepath.Join("usr/local/go", name)), d)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", goroot, err)
	}
	return w.Close()
}

// inGoImage leaves out what is only for those who work on Go itself.
func inGoImage(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	switch top {
	case "api", "doc", "misc", "test":
		return false
	}
	return filepath.Base(name) != "testdata" && !strings.HasSuffix(name, "_test.go")
}

func addFile(w *tar.Writer, path, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	target := ""
	if info.Mode().Type() == fs.ModeSymlink {
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	h.Name, h.ModTime, h.Uid, h.Gid, h.Uname, h.Gname = name, epoch, 0, 0, "", ""
	if info.IsDir() {
		h.Name += "/"
	}
	if err := w.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
