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
	if err == nil {
		z, err = zip.NewReader(f, info.Size())
	}
	if err != nil {
		rc.Close()
		return nil, fmt.Errorf("archive: %w", err)
	}
	return &Archive{z, rc}, nil
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
