package jobapi

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"slipway.dev/pipelines/jobapi/wire"
)

// Entry is one file of an archive, for people.
type Entry struct {
	Path      string    `json:"path"`
	Size      int64     `json:"size"`
	Mode      string    `json:"mode"`
	Modified  time.Time `json:"modified,omitzero"`
	Directory bool      `json:"directory,omitempty"`
	Link      bool      `json:"link,omitempty"`
}

// maxEntries of a list for people.
const maxEntries = 20_000

// maxDirectory bounds the list of files in a zip, which is read whole before any of them
// and takes several times as much memory.
const maxDirectory = 64 << 20

// Archive is a zip on disk; close it when done.
type Archive struct {
	*zip.Reader
	io.Closer
}

// OpenArchive reads the zip that rc, from a store, has. It takes rc over.
func OpenArchive(rc io.ReadCloser) (*Archive, error) {
	f, ok := rc.(interface {
		io.ReaderAt
		Stat() (fs.FileInfo, error)
	})
	if !ok {
		rc.Close()
		return nil, errors.New("archive: the store gives no file")
	}
	info, err := f.Stat()
	var z *zip.Reader
	r := &bounded{ReaderAt: f, left: maxDirectory}
	if err == nil {
		z, err = zip.NewReader(r, info.Size())
	}
	if err != nil {
		rc.Close()
		return nil, fmt.Errorf("archive: %w", err)
	}
	r.opened = true
	return &Archive{z, rc}, nil
}

// bounded gives only so many bytes until the archive is opened.
type bounded struct {
	io.ReaderAt
	left   int64
	opened bool
}

func (b *bounded) ReadAt(p []byte, at int64) (int, error) {
	if !b.opened {
		if b.left -= int64(len(p)); b.left < 0 {
			return 0, fmt.Errorf("%w: its list of files has more than %d bytes", ErrTooLarge, maxDirectory)
		}
	}
	return b.ReaderAt.ReadAt(p, at)
}

// Entries lists what is in it, at most so many that a person can look at.
func (a *Archive) Entries() (list []Entry, cut bool) {
	for _, f := range a.File {
		if len(list) == maxEntries {
			return list, true
		}
		list = append(list, Entry{Path: path.Clean(f.Name), Size: int64(min(f.UncompressedSize64, 1<<62)), Mode: f.Mode().String(),
			Modified: f.Modified, Directory: f.Mode().IsDir(), Link: f.Mode()&fs.ModeSymlink != 0})
	}
	return list, false
}

// One opens the file of that path; os.ErrNotExist says that there is none. Of a link
// there is only its target, as text. More than its size is never read.
func (a *Archive) One(name string) (io.ReadCloser, error) {
	for _, f := range a.File {
		if path.Clean(f.Name) != path.Clean(name) || f.Mode().IsDir() {
			continue
		}
		if f.UncompressedSize64 > wire.MaxUnpacked {
			return nil, fmt.Errorf("%s: %w: more than %d bytes", f.Name, ErrTooLarge, int64(wire.MaxUnpacked))
		}
		rc, err := f.Open()
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.LimitReader(rc, int64(f.UncompressedSize64)), rc}, nil
	}
	return nil, fs.ErrNotExist
}

// ErrNoFile says that what an archive has under a name is not a file.
var ErrNoFile = errors.New("not a regular file")

// Read the regular file of that path, of at most limit bytes whatever it says of itself;
// os.ErrNotExist says that there is none. Where a hostile archive has the path several
// times, the first counts.
func (a *Archive) Read(name string, limit int64) ([]byte, error) {
	for _, f := range a.File {
		if path.Clean(f.Name) != path.Clean(name) {
			continue
		}
		if !f.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: %w", name, ErrNoFile)
		}
		rc, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		defer rc.Close()
		data, err := io.ReadAll(io.LimitReader(rc, limit+1))
		if int64(len(data)) > limit {
			return nil, fmt.Errorf("%s: %w: more than %d bytes", name, ErrTooLarge, limit)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return data, nil
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}
