package payload

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// DirectoryVariable names the environment variable for a directory that takes
// the place of the appended archive.
const DirectoryVariable = "SLIPWAY_PAYLOAD"

// ErrAbsent is returned where the binary carries no archive.
var ErrAbsent = errors.New("this binary carries no daemons: build it with make build, or set " +
	DirectoryVariable + " to a directory that holds them")

// forImages are entries that only images are made of; they are not extracted.
var forImages = []string{"busybox", "busybox.applets", "coredns", "pause", "runner"}

// Entry is one file of the payload.
type Entry struct {
	// Name is a slash-separated path such as "containerd" or "cni/ptp".
	Name string
	Mode fs.FileMode
	Size int64
}

// Host says whether the entry is extracted for this machine to run.
func (e Entry) Host() bool { return !slices.Contains(forImages, e.Name) }

// Payload is a set of entries. It is safe for use by several goroutines.
type Payload struct {
	entries []Entry
	store   store
}

// store is where the bytes are: an archive or a directory.
type store interface {
	// open one entry that is known to exist.
	open(name string) (io.ReadCloser, error)
	// digest is the hexadecimal sha256 of one entry's content.
	digest(name string) (string, error)
	// extract makes the host's entries available below dataDir and returns where.
	extract(dataDir string, entries []Entry) (string, error)
}

// Default is the payload of this process: the directory named by
// SLIPWAY_PAYLOAD, or the archive appended to the running executable.
var Default = sync.OnceValues(func() (*Payload, error) {
	if dir := os.Getenv(DirectoryVariable); dir != "" {
		return OpenDirectory(dir)
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return OpenArchive(executable)
})

// Extract makes the daemons of the default payload runnable and returns the
// directory they are in, <data-dir>/bin/<hash>.
func Extract(dataDir string) (binDir string, err error) {
	p, err := Default()
	if err != nil {
		return "", err
	}
	return p.Extract(dataDir)
}

// Open reads one entry of the default payload.
func Open(name string) (io.ReadCloser, error) {
	p, err := Default()
	if err != nil {
		return nil, err
	}
	return p.Open(name)
}

// Entries lists what there is, by name.
func (p *Payload) Entries() []Entry { return slices.Clone(p.entries) }

// Stat describes one entry.
func (p *Payload) Stat(name string) (Entry, error) {
	for _, e := range p.entries {
		if e.Name == name {
			return e, nil
		}
	}
	return Entry{}, fmt.Errorf("payload has no %q: %w", name, fs.ErrNotExist)
}

// Open reads one entry. Its checksum is verified by the time io.EOF is returned.
func (p *Payload) Open(name string) (io.ReadCloser, error) {
	if _, err := p.Stat(name); err != nil {
		return nil, err
	}
	return p.store.open(name)
}

// Digest is the hexadecimal sha256 of one entry's content.
func (p *Payload) Digest(name string) (string, error) {
	if _, err := p.Stat(name); err != nil {
		return "", err
	}
	return p.store.digest(name)
}

// Extract makes the host's entries runnable and returns their directory. It
// does nothing when they are already there, may be called by several processes
// at once, and removes the directories of other versions that no process runs
// from any more.
func (p *Payload) Extract(dataDir string) (binDir string, err error) {
	return p.store.extract(dataDir, p.entries)
}
