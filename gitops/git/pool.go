package git

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"slipway.dev/cluster/atomicfile"
)

// A pool is a bare repository in poolDir that holds the objects of mirrors of the same
// URL: each mirror has its own refs and borrows the objects, as git's alternates do.
//
// Whoever may read one mirror can reach, by its name, every object of the pool (Git's
// protocol allows that). So mirrors share a pool only where each would fetch the very
// same: the same URL, the same branches and tags, and the same credentials: none at
// all, or the same Secret of the same namespace. Another tenant's Secret, whatever is
// in it, is another pool.
const poolDir = ".pools"

// poolFile of a mirror names its pool.
const poolFile = "slipway-pool"

// poolKey is the name of the pool of what s fetches.
func poolKey(s Source) string {
	scope := ""
	if s.Credentials != nil {
		scope = s.Credentials.Scope
		if scope == "" {
			scope = "unnamed"
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", s.URL, scope, s.Filter))
	return hex.EncodeToString(sum[:20])
}

func (s *Store) poolPath(key string) string { return filepath.Join(s.Dir, poolDir, key+".git") }

// poolOf a mirror, empty for a hosted repository.
func poolOf(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, poolFile))
	key := strings.TrimSpace(string(b))
	if err != nil || !ValidCommit(key) {
		return ""
	}
	return key
}

// objects is the directory of the repository whose packs a repository's objects are in.
func (s *Store) objects(dir string) string {
	if key := poolOf(dir); key != "" {
		return s.poolPath(key)
	}
	return dir
}

// join makes dir, a mirror, borrow from the pool named key, which is made if need be.
// What it borrowed from another pool before stays its own, by hard links: a release may
// name a commit of it.
func (s *Store) join(dir, key string) error {
	before := poolOf(dir)
	if err := s.borrow(dir, before, key); err != nil || before == "" || before == key {
		return err
	}
	m := s.lock(poolDir, before)
	m.Lock()
	defer m.Unlock()
	return s.leave(before)
}

func (s *Store) borrow(dir, before, key string) error {
	m := s.lock(poolDir, key)
	m.Lock()
	defer m.Unlock()
	if err := s.makeBare(s.poolPath(key), mirrored); err != nil || before == key {
		return err
	}
	if before != "" {
		if err := linkPacks(s.poolPath(before), dir); err != nil {
			return err
		}
	}
	relative := filepath.Join("..", "..", "..", poolDir, key+".git", "objects")
	if err := writeWhole(filepath.Join(dir, "objects", "info", "alternates"), relative+"\n"); err != nil {
		return err
	}
	return writeWhole(filepath.Join(dir, poolFile), key+"\n")
}

// leave removes a pool that no mirror borrows from; the caller holds its lock.
func (s *Store) leave(key string) error {
	for _, f := range s.glob("*/*.git/" + poolFile) {
		if poolOf(filepath.Dir(f)) == key {
			return nil
		}
	}
	trash, err := os.MkdirTemp(s.Dir, ".old-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(trash)
	if err := os.Rename(s.poolPath(key), filepath.Join(trash, "x")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return atomicfile.SyncDir(filepath.Join(s.Dir, poolDir))
}

func linkPacks(from, to string) error {
	packs, err := filepath.Glob(filepath.Join(from, "objects", "pack", "pack-*"))
	if err != nil {
		return err
	}
	into := filepath.Join(to, "objects", "pack")
	for _, suffix := range []string{".pack", ".idx"} { // the index last: with it the pack is there
		for _, p := range packs {
			if !strings.HasSuffix(p, suffix) {
				continue
			}
			if err := os.Link(p, filepath.Join(into, filepath.Base(p))); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
	}
	return atomicfile.SyncDir(into)
}

// writeWhole replaces a file of a repository of ours at once.
func writeWhole(name, text string) error {
	tmp := name + ".slipway"
	if err := writeSynced(tmp, []byte(text)); err != nil {
		return err
	}
	return errors.Join(os.Rename(tmp, name), atomicfile.SyncDir(filepath.Dir(name)))
}

// storage of the repository at dir for go-git: its refs, its objects, and those of its
// pool. (go-git's own alternates would open the pool anew for every object.)
func (s *Store) storage(dir string) *storage {
	options := filesystem.Options{LargeObjectThreshold: 1 << 20}
	objects := cache.NewObjectLRU(16 * cache.MiByte)
	st := &storage{Storage: filesystem.NewStorageWithOptions(osfs.New(dir, osfs.WithBoundOS()), objects, options)}
	if key := poolOf(dir); key != "" {
		pool := dotgit.New(osfs.New(s.poolPath(key), osfs.WithBoundOS()))
		st.pool = filesystem.NewObjectStorageWithOptions(pool, objects, options)
	}
	return st
}

// storage looks into the pool first, where most objects of a mirror are.
type storage struct {
	*filesystem.Storage
	pool *filesystem.ObjectStorage
}

func (s *storage) EncodedObject(t plumbing.ObjectType, h plumbing.Hash) (plumbing.EncodedObject, error) {
	if s.pool != nil {
		if o, err := s.pool.EncodedObject(t, h); !errors.Is(err, plumbing.ErrObjectNotFound) {
			return o, err
		}
	}
	return s.Storage.EncodedObject(t, h)
}

func (s *storage) EncodedObjectSize(h plumbing.Hash) (int64, error) {
	if s.pool != nil {
		if n, err := s.pool.EncodedObjectSize(h); !errors.Is(err, plumbing.ErrObjectNotFound) {
			return n, err
		}
	}
	return s.Storage.EncodedObjectSize(h)
}

func (s *storage) HasEncodedObject(h plumbing.Hash) error {
	if s.pool != nil && s.pool.HasEncodedObject(h) == nil {
		return nil
	}
	return s.Storage.HasEncodedObject(h)
}
