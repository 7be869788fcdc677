package payload

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// temporaryPrefix begins the name of a directory that is being filled.
const temporaryPrefix = ".new-"

// extract fills <data-dir>/bin/<hash> once. The directory appears whole, by
// rename; sizes are compared at each start, because after a power failure a
// renamed file may have lost its content.
func (a archive) extract(dataDir string, entries []Entry) (string, error) {
	base := filepath.Join(dataDir, "bin")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", fmt.Errorf("extract daemons: %w", err)
	}
	unlock, err := lock(filepath.Join(base, ".lock"))
	if err != nil {
		return "", fmt.Errorf("extract daemons: %w", err)
	}
	defer unlock()

	entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return !e.Host() })
	dir := filepath.Join(base, a.hash[:16])
	if !complete(dir, entries) {
		if err := a.fill(base, dir, entries); err != nil {
			return "", fmt.Errorf("extract daemons to %s: %w", dir, err)
		}
	}
	return dir, prune(base, dir)
}

// complete says whether every entry is in dir with its size and mode.
func complete(dir string, entries []Entry) bool {
	for _, e := range entries {
		info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(e.Name)))
		if err != nil || info.Size() != e.Size || info.Mode() != e.Mode {
			return false
		}
	}
	return true
}

// fill extracts into a temporary directory of base and renames it to dir.
func (a archive) fill(base, dir string, entries []Entry) error {
	temporary, err := os.MkdirTemp(base, temporaryPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if err := os.Chmod(temporary, 0o755); err != nil {
		return err
	}
	slices.SortFunc(entries, func(x, y Entry) int { return cmp.Compare(y.Size, x.Size) })
	var group errgroup.Group
	var next atomic.Int64
	for range max(2, runtime.GOMAXPROCS(0)) {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < len(entries); i = int(next.Add(1)) - 1 {
				if err := a.write(temporary, entries[i]); err != nil {
					return fmt.Errorf("%s: %w", entries[i].Name, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(temporary, dir)
}

// write extracts one entry below root. The zip reader checks its checksum.
func (a archive) write(root string, e Entry) (err error) {
	path := filepath.Join(root, filepath.FromSlash(e.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	r, err := a.open(e.Name)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, e.Mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	return f.Chmod(e.Mode)
}

// lock waits for the exclusive lock on the file at path.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
