package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

const storageDriverName = "slipway-filesystem"

func init() { factory.Register(storageDriverName, durableFactory{}) }

type durableFactory struct{}

func (durableFactory) Create(_ context.Context, parameters map[string]any) (storagedriver.StorageDriver, error) {
	root, _ := parameters["rootdirectory"].(string)
	if root == "" {
		return nil, errors.New("registry storage: no directory given")
	}
	disk, ok := parameters["disk"].(Disk)
	if !ok {
		return nil, errors.New("registry storage: no disk given")
	}
	d, err := filesystem.FromParameters(parameters)
	if err != nil {
		return nil, err
	}
	return &durableDriver{Driver: d, root: root, disk: disk, known: map[string]bool{}}, nil
}

// durableDriver adds to the filesystem driver what an acknowledgement needs.
// Upstream syncs a file's bytes, and the directory a small file is renamed into,
// but neither the directory that a blob is moved into nor the parents that were
// made on the way; after a power cut the link would be there and the blob not.
// The marks of an upload in progress, on the other hand, need no sync at all.
type durableDriver struct {
	*filesystem.Driver
	root string
	disk Disk

	mu sync.Mutex
	// known directories have their own entry on disk since this process runs.
	known map[string]bool
}

const maxKnownDirectories = 1 << 16

// PutContent stores a small file durably, unless it only tracks an upload.
func (d *durableDriver) PutContent(ctx context.Context, name string, content []byte) error {
	if err := roomFor(ctx, d.disk); err != nil {
		return err
	}
	if transient(name) {
		file := filepath.Join(d.root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		// Whole or not at all, as upstream has it: the next request may read it.
		temp := file + ".tmp"
		if err := os.WriteFile(temp, content, 0o600); err != nil {
			return err
		}
		return os.Rename(temp, file)
	}
	if err := d.Driver.PutContent(ctx, name, content); err != nil {
		return err
	}
	return d.settle(path.Dir(name), false)
}

// Writer opens the file of an upload, if there is room for one.
func (d *durableDriver) Writer(ctx context.Context, name string, add bool) (storagedriver.FileWriter, error) {
	if err := roomFor(ctx, d.disk); err != nil {
		return nil, err
	}
	w, err := d.Driver.Writer(ctx, name, add)
	if err != nil {
		return nil, err
	}
	return &guardedWriter{FileWriter: w, ctx: ctx, disk: d.disk}, nil
}

// Move renames a finished upload to its blob, durably.
func (d *durableDriver) Move(ctx context.Context, from, to string) error {
	if err := d.Driver.Move(ctx, from, to); err != nil {
		return err
	}
	return d.settle(path.Dir(to), true)
}

// Delete removes a path and what is known about it. Nothing is known of uploads, which
// are what is deleted most: each goes with its end.
func (d *durableDriver) Delete(ctx context.Context, name string) error {
	if !strings.Contains(name, "/_uploads/") {
		d.forget(name)
	}
	return d.Driver.Delete(ctx, name)
}

// forget a directory and those below it.
func (d *durableDriver) forget(name string) {
	below := name + "/"
	d.mu.Lock()
	defer d.mu.Unlock()
	for dir := range d.known {
		if dir == name || strings.HasPrefix(dir, below) {
			delete(d.known, dir)
		}
	}
}

// settle syncs the directory when asked, and every ancestor that may have got a
// new entry. It marks a directory as known only after its parent is on disk, so
// that a second writer never relies on the first one's unfinished sync.
func (d *durableDriver) settle(dir string, self bool) error {
	if self {
		if err := d.syncDir(dir); err != nil {
			return err
		}
	}
	var made []string
	for dir != "/" && dir != "." {
		d.mu.Lock()
		known := d.known[dir]
		d.mu.Unlock()
		if known {
			break
		}
		made = append(made, dir)
		dir = path.Dir(dir)
		if err := d.syncDir(dir); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known)+len(made) > maxKnownDirectories {
		clear(d.known)
	}
	for _, m := range made {
		d.known[m] = true
	}
	return nil
}

func (d *durableDriver) syncDir(dir string) error {
	f, err := os.Open(filepath.Join(d.root, filepath.FromSlash(dir)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("registry storage: %w", err)
	}
	err = errors.Join(f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("registry storage: sync %s: %w", dir, err)
	}
	return nil
}

// transient tells the marks of an upload in progress from what must last.
func transient(name string) bool {
	if !strings.Contains(name, "/_uploads/") {
		return false
	}
	return path.Base(name) == "startedat" || strings.Contains(name, "/hashstates/")
}
