package build

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Limits of a build context.
type Limits struct {
	// Bytes of all files together, unpacked.
	Bytes int64
	// Entries in the archive.
	Entries int
	// Depth of directories.
	Depth int
}

// DefaultLimits fit any repository that people build from.
var DefaultLimits = Limits{Bytes: 2 << 30, Entries: 200_000, Depth: 64}

// Unpack writes a tar archive, which may be gzipped, below an empty directory.
// It refuses, by name, an entry or a link that leaves the directory, devices and
// sockets, and more than the limits. Of modes it keeps the permission bits.
func Unpack(from io.Reader, dir string, limits Limits) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	u := &unpacker{root: root, limits: limits, left: limits.Bytes}
	buffered := bufio.NewReader(from)
	var stream io.Reader = buffered
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return err
		}
		defer z.Close()
		stream = z
	}
	// What a compressed archive holds besides files (headers, padding, names) counts too.
	archive := tar.NewReader(io.LimitReader(stream, limits.Bytes+int64(limits.Entries)*2048+1<<20))
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("not a tar archive, or cut off: %w", err)
		}
		if err := u.entry(h, archive); err != nil {
			return err
		}
	}
	return u.finish()
}

type unpacker struct {
	root    *os.Root
	limits  Limits
	left    int64
	entries int
	links   []string
	dirs    []dirTime
}

type dirTime struct {
	name string
	at   time.Time
}

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if u.entries++; u.entries > u.limits.Entries {
		return fmt.Errorf("more than %d files, which is the limit; leave some out", u.limits.Entries)
	}
	name, err := u.name(h.Name)
	if err != nil || name == "." {
		return err
	}
	if err := u.parents(name); err != nil {
		return err
	}
	mode := fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		if err := u.root.Mkdir(name, mode|0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
		if info, err := u.root.Lstat(name); err != nil || !info.IsDir() {
			return fmt.Errorf("%q is a directory and something else", h.Name)
		}
		u.dirs = append(u.dirs, dirTime{name, h.ModTime})
		return nil
	case tar.TypeReg:
		return u.file(name, mode, h, content)
	case tar.TypeSymlink:
		return u.symlink(name, h)
	case tar.TypeLink:
		to, err := u.name(h.Linkname)
		if err != nil {
			return err
		}
		if info, err := u.root.Lstat(to); err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("%q is a hard link to %q, which is not a file before it", h.Name, h.Linkname)
		}
		return u.root.Link(to, name)
	default:
		return fmt.Errorf("%q is a device, pipe or socket; a context has files, directories and links", h.Name)
	}
}

// name checks a path in the archive.
func (u *unpacker) name(s string) (string, error) {
	if len(s) > 4096 || strings.ContainsAny(s, "\x00") || !filepath.IsLocal(s) {
		return "", fmt.Errorf("%q is not a path within the context", s)
	}
	clean := path.Clean(s)
	if strings.Count(clean, "/") >= u.limits.Depth {
		return "", fmt.Errorf("%q is deeper than %d directories, which is the limit", s, u.limits.Depth)
	}
	return clean, nil
}

// parents makes the directories above a name; none of them may be a link, so that
// a path means what it says.
func (u *unpacker) parents(name string) error {
	parent := path.Dir(name)
	if parent == "." {
		return nil
	}
	if info, err := u.root.Lstat(parent); err == nil && info.IsDir() {
		return u.parents(parent)
	}
	if err := u.parents(parent); err != nil {
		return err
	}
	err := u.root.Mkdir(parent, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%q lies below %q, which is not a directory", name, parent)
	}
	return err
}

func (u *unpacker) file(name string, mode fs.FileMode, h *tar.Header, content io.Reader) error {
	if u.left -= h.Size; u.left < 0 {
		return fmt.Errorf("larger than %d MiB, which is the limit, at %q; leave large files out", u.limits.Bytes>>20, h.Name)
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode|0o600)
	if err != nil {
		return fmt.Errorf("%q: %w", h.Name, err)
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Chmod(mode|0o400), f.Close()); err != nil {
		return fmt.Errorf("%q: %w", h.Name, err)
	}
	return u.root.Chtimes(name, h.ModTime, h.ModTime)
}

func (u *unpacker) symlink(name string, h *tar.Header) error {
	target := h.Linkname
	if path.IsAbs(target) || strings.ContainsAny(target, "\x00") || !filepath.IsLocal(path.Join(path.Dir(name), target)) {
		return escapes(h.Name, target)
	}
	if err := u.root.Symlink(target, name); err != nil {
		return fmt.Errorf("%q: %w", h.Name, err)
	}
	u.links = append(u.links, name)
	return nil
}

func escapes(name, target string) error {
	return fmt.Errorf("symbolic link %q points outside the context, to %q", name, target)
}

// finish follows every link once more, now that all are there: a chain of links
// can leave where none of them seems to. One that leads nowhere, or in a circle, is harmless.
func (u *unpacker) finish() error {
	for _, l := range u.links {
		_, err := u.root.Stat(l)
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		target, _ := u.root.Readlink(l)
		return escapes(l, target)
	}
	for i := len(u.dirs) - 1; i >= 0; i-- {
		if err := u.root.Chtimes(u.dirs[i].name, u.dirs[i].at, u.dirs[i].at); err != nil {
			return err
		}
	}
	return nil
}
