package runjob

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/flate"

	"slipway.dev/pipelines/jobapi/wire"
)

// placer writes entries of an archive below one directory and never outside it: all
// goes through os.Root, which follows no link out.
type placer struct {
	root    *os.Root
	left    int64
	entries int
	// open: everybody may read and write what is placed, as where containers of
	// different users share a checkout; otherwise modes are those of the archive.
	open bool
	// seen is told of what is placed, where somebody wants to know.
	seen map[string]stamp
}

func newPlacer(dir string) (*placer, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &placer{root: root, left: wire.MaxUnpacked, entries: wire.MaxEntries}, nil
}

// put one entry; at is its modification time, zero for now.
func (p *placer) put(name string, mode fs.FileMode, link string, at time.Time, r io.Reader) error {
	if p.entries--; p.entries < 0 {
		return fmt.Errorf("archive has more than %d entries", wire.MaxEntries)
	}
	name = path.Clean(name)
	if name == "." {
		return nil
	}
	local, err := filepath.Localize(name)
	if err != nil {
		return fmt.Errorf("archive entry %q leaves the directory", name)
	}
	if dir := filepath.Dir(local); dir != "." {
		if err := p.mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("archive entry %q: %w", name, err)
		}
	}
	switch {
	case mode.IsDir():
		err = p.mkdir(local, mode.Perm())
	case mode&fs.ModeSymlink != 0:
		if err = p.root.Remove(local); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = p.root.Symlink(link, local)
		}
	case mode.IsRegular():
		err = p.file(local, mode, r)
	default:
		return fmt.Errorf("archive entry %q is neither file, directory nor link", name)
	}
	if err == nil && mode.IsRegular() && !at.IsZero() {
		err = p.root.Chtimes(local, at, at)
	}
	if err == nil && p.seen != nil {
		var info fs.FileInfo
		if info, err = p.root.Lstat(local); err == nil {
			p.seen[name] = stampOf(info)
		}
	}
	if err != nil {
		return fmt.Errorf("archive entry %q: %w", name, err)
	}
	return nil
}

// mkdir makes a directory and those above it.
func (p *placer) mkdir(local string, perm fs.FileMode) error {
	perm |= 0o700
	if p.open {
		perm = 0o777
	}
	err := p.root.Mkdir(local, perm)
	switch {
	case err == nil:
		return p.root.Chmod(local, perm)
	case errors.Is(err, fs.ErrExist):
		return p.root.MkdirAll(local, perm) // which says if it is no directory
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := p.mkdir(filepath.Dir(local), perm); err != nil {
		return err
	}
	return p.mkdir(local, perm)
}

func (p *placer) file(local string, mode fs.FileMode, r io.Reader) error {
	if info, err := p.root.Lstat(local); err == nil && !info.Mode().IsRegular() {
		if err := p.root.Remove(local); err != nil {
			return err
		}
	}
	perm := mode.Perm() | 0o600
	if p.open {
		perm |= 0o666
	}
	f, err := p.root.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	if err := f.Chmod(perm); err != nil { // past the umask
		f.Close()
		return err
	}
	n, err := io.Copy(f, io.LimitReader(r, p.left+1))
	if p.left -= n; p.left < 0 {
		err = fmt.Errorf("archive is larger than %d bytes unpacked", int64(wire.MaxUnpacked))
	}
	return errors.Join(err, f.Close())
}

// Unzip unpacks artifacts, which it first writes to a file in scratch.
func Unzip(r io.Reader, dir, scratch string) error {
	f, err := os.CreateTemp(scratch, "artifacts-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	size, err := io.Copy(f, io.LimitReader(r, wire.MaxArtifacts+1))
	if err != nil {
		return err
	}
	zr, err := zip.NewReader(f, size)
	if err != nil {
		return err
	}
	zr.RegisterDecompressor(zip.Deflate, flate.NewReader)
	p, err := newPlacer(dir)
	if err != nil {
		return err
	}
	defer p.root.Close()
	for _, e := range zr.File {
		if err := unzipEntry(p, e); err != nil {
			return err
		}
	}
	return nil
}

func unzipEntry(p *placer, e *zip.File) error {
	rc, err := e.Open()
	if err != nil {
		return err
	}
	defer rc.Close()
	link := ""
	if e.Mode()&fs.ModeSymlink != 0 {
		data, err := io.ReadAll(io.LimitReader(rc, 4096))
		if err != nil {
			return err
		}
		link = string(data)
	}
	return p.put(e.Name, e.Mode(), link, e.Modified, rc)
}
