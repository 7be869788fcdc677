// Package jobcache owns the files that jobs share from one run to the next: archives
// by the digest of their bytes, and an index from scope and key to a digest. It never
// looks into an archive (the runner does, and refuses hostile ones), and forgets what
// was not used for the longest when the room is full.
//
// Start at Store.
package jobcache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"slipway.dev/cluster/disk"
)

// DefaultMax is the room of a Store that sets none.
const DefaultMax = 10 << 30

// ErrTooLarge is what Put answers to more bytes than allowed.
var ErrTooLarge = errors.New("too large")

// Scope keeps caches apart: only jobs of the same scope share one.
type Scope struct {
	Namespace, Repository string
	// Protected refs do not read what others wrote, unless they ask to share.
	Protected bool
	// MergeRequest of a fork, which shares with nobody; 0: none.
	MergeRequest int64
}

// Store in a directory.
type Store struct {
	Dir string
	// Max bytes of all archives. 0: DefaultMax.
	Max int64
	// Room is nil while the disk has some, and otherwise says why nothing is kept. May be nil.
	Room func() error

	mu sync.Mutex
}

// entry is one key of the index, on disk as JSON; its file's time is the last use.
type entry struct {
	Key    string `json:"key"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

var nameRE = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,252}$`)

func (s *Store) scope(scope Scope) (string, error) {
	for _, p := range []string{scope.Namespace, scope.Repository} {
		if !nameRE.MatchString(p) {
			return "", fmt.Errorf("cache of %q: not a name", p)
		}
	}
	kind := "open"
	if scope.Protected {
		kind = "protected"
	}
	if scope.MergeRequest > 0 {
		kind = "merge-request-" + strconv.FormatInt(scope.MergeRequest, 10)
	}
	return filepath.Join(s.Dir, "index", scope.Namespace, scope.Repository, kind), nil
}

func (s *Store) indexFile(scope Scope, key string) (string, error) {
	dir, err := s.scope(scope)
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(dir, hex.EncodeToString(sum[:])), err
}

func (s *Store) blob(digest string) string { return filepath.Join(s.Dir, "blobs", digest) }

// Get opens the archive under the first of the keys that has one; os.ErrNotExist says
// that none has.
func (s *Store) Get(scope Scope, keys []string) (f *os.File, key string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		name, err := s.indexFile(scope, key)
		if err != nil {
			return nil, "", err
		}
		e, err := readEntry(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		f, err := os.Open(s.blob(e.Digest))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		now := time.Now()
		_ = os.Chtimes(name, now, now)
		return f, key, nil
	}
	return nil, "", fs.ErrNotExist
}

// Size of the archive that Get would open; 0: there is none. It is not a use.
func (s *Store) Size(scope Scope, keys []string) int64 {
	for _, key := range keys {
		if name, err := s.indexFile(scope, key); err == nil {
			if e, err := readEntry(name); err == nil {
				return e.Size
			}
		}
	}
	return 0
}

func readEntry(name string) (entry, error) {
	var e entry
	data, err := os.ReadFile(name)
	if err == nil && json.Unmarshal(data, &e) != nil {
		err = fs.ErrNotExist // cut off by a crash: as if it were not there
	}
	return e, err
}

// Put what r has under the key, and forget others where there is no room. Nothing is
// made durable: what a crash takes is fetched again.
func (s *Store) Put(scope Scope, key string, r io.Reader, limit int64) (err error) {
	name, err := s.indexFile(scope, key)
	if err != nil {
		return err
	}
	if s.Room != nil {
		r = disk.Reader(r, s.Room)
	}
	for _, d := range []string{filepath.Join(s.Dir, "blobs"), filepath.Dir(name)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(filepath.Join(s.Dir, "blobs"), ".put-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	limit = min(limit, s.max())
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("cache: %w: more than %d bytes", ErrTooLarge, limit)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	e := entry{Key: key, Digest: hex.EncodeToString(h.Sum(nil)), Size: n}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = os.Rename(f.Name(), s.blob(e.Digest)); err != nil {
		return err
	}
	if err = os.WriteFile(name+".new", data, 0o600); err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return err
	}
	return s.prune()
}

func (s *Store) max() int64 {
	if s.Max > 0 {
		return s.Max
	}
	return DefaultMax
}

// Forget all caches of a repository.
func (s *Store) Forget(namespace, repository string) error {
	dir, err := s.scope(Scope{Namespace: namespace, Repository: repository})
	if err != nil {
		return nil // such a name never had any
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		return err
	}
	return s.prune()
}

// prune deletes the keys that were not used for the longest until the archives fit,
// and the archives that no key names.
func (s *Store) prune() error {
	type item struct {
		entry
		name string
		used time.Time
	}
	var items []item
	names, err := filepath.Glob(filepath.Join(s.Dir, "index", "*", "*", "*", "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		e, err := readEntry(name)
		if err != nil {
			_ = os.Remove(name)
			continue
		}
		items = append(items, item{e, name, info.ModTime()})
	}
	slices.SortFunc(items, func(a, b item) int { return b.used.Compare(a.used) })
	kept := map[string]bool{}
	var total int64
	for _, i := range items {
		if !kept[i.Digest] && total+i.Size > s.max() {
			_ = os.Remove(i.name)
			continue
		}
		if !kept[i.Digest] {
			kept[i.Digest], total = true, total+i.Size
		}
	}
	blobs, err := os.ReadDir(filepath.Join(s.Dir, "blobs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, b := range blobs {
		name := filepath.Join(s.Dir, "blobs", b.Name())
		if kept[b.Name()] {
			continue
		}
		// One that is being written, unless that was long ago.
		if info, err := b.Info(); strings.HasPrefix(b.Name(), ".") && (err != nil || time.Since(info.ModTime()) < time.Hour) {
			continue
		}
		_ = os.Remove(name)
	}
	return nil
}
