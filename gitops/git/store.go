package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	gogit "github.com/go-git/go-git/v5"

	"slipway.dev/cluster/atomicfile"
)

// ErrNotFound is wrapped when a repository, branch, commit or path is not there. It
// is fs.ErrNotExist too, for those who know no more of Git than files.
var ErrNotFound error = notFound{}

type notFound struct{}

func (notFound) Error() string        { return "not found" }
func (notFound) Is(target error) bool { return target == fs.ErrNotExist }

// ErrLimit is wrapped when an input is larger than this server takes.
var ErrLimit = errors.New("over the limit")

// Limits bound what one request may read; a zero field means its default.
type Limits struct {
	// File is the largest single file that File returns whole. Default 8 MiB.
	File int64
	// Tree is the largest sum of files of an archive or checkout. Default 2 GiB.
	Tree int64
	// Entries of an archive or checkout. Default 200000.
	Entries int
}

// Store is where repositories live: <Dir>/<namespace>/<name>.git, each bare and
// made by this package. Its methods read; Host and Reconciler write.
type Store struct {
	Dir    string
	Limits Limits

	mu      sync.Mutex
	locks   map[string]*sync.Mutex
	readers readers
	joins   sync.Map // of *joining by the directory of the packs
	known   known
}

func (s *Store) limits() Limits {
	l := s.Limits
	if l.File <= 0 {
		l.File = 8 << 20
	}
	if l.Tree <= 0 {
		l.Tree = 2 << 30
	}
	if l.Entries <= 0 {
		l.Entries = 200_000
	}
	return l
}

// path of the bare repository; the only place where a name becomes a path.
func (s *Store) path(ns, name string) (string, error) {
	if err := ValidNamespace(ns); err != nil {
		return "", err
	}
	if err := ValidName(name); err != nil {
		return "", err
	}
	return filepath.Join(s.Dir, ns, name+".git"), nil
}

// lock is the one writer's lock of a repository's records; unlock it when done.
func (s *Store) lock(ns, name string) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks == nil {
		s.locks = map[string]*sync.Mutex{}
	}
	key := ns + "/" + name
	m := s.locks[key]
	if m == nil {
		m = &sync.Mutex{}
		s.locks[key] = m
	}
	return m
}

// origin says who fills a bare repository; kept in a file of that repository.
type origin string

const (
	hosted   origin = "hosted"
	mirrored origin = "mirrored"
)

const originFile = "slipway-origin"

// Has says whether the bare repository is on disk.
func (s *Store) Has(ns, name string) bool {
	dir, err := s.path(ns, name)
	if err != nil {
		return false
	}
	st, err := os.Stat(filepath.Join(dir, "HEAD"))
	return err == nil && st.Mode().IsRegular()
}

// ensure makes the bare repository unless it is there.
func (s *Store) ensure(ns, name string, o origin) error {
	dir, err := s.path(ns, name)
	if err != nil {
		return err
	}
	if err := s.makeBare(dir, o); err != nil {
		return fmt.Errorf("repository %s: %w", name, err)
	}
	return nil
}

// makeBare makes a bare repository unless it is there. The directory appears whole, by
// one rename, and survives a crash right after.
func (s *Store) makeBare(dir string, o origin) error {
	have, err := os.ReadFile(filepath.Join(dir, originFile))
	if err == nil {
		if origin(strings.TrimSpace(string(have))) != o {
			return fmt.Errorf("its data is %s and now it should be %s; delete the repository and add it again", strings.TrimSpace(string(have)), o)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := layout(tmp, o); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, e := os.Stat(filepath.Join(dir, originFile)); e == nil {
			return nil // another request was first
		}
		return err
	}
	return errors.Join(atomicfile.SyncDir(parent), atomicfile.SyncDir(s.Dir))
}

func layout(dir string, o origin) error {
	for _, d := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	files := map[string]string{
		"HEAD":     "ref: refs/heads/main\n",
		"config":   "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n",
		originFile: string(o) + "\n",
	}
	for name, text := range files {
		if err := writeSynced(filepath.Join(dir, name), []byte(text)); err != nil {
			return err
		}
	}
	for _, d := range []string{"objects", "refs", "."} {
		if err := atomicfile.SyncDir(filepath.Join(dir, d)); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes the repository's data. It is gone at once for every reader.
func (s *Store) Remove(ns, name string) error {
	dir, err := s.path(ns, name)
	if err != nil {
		return nil // such a name never had data
	}
	m := s.lock(ns, name)
	m.Lock()
	defer m.Unlock()
	trash, err := os.MkdirTemp(s.Dir, ".old-")
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("repository %s: %w", name, err)
	}
	defer os.RemoveAll(trash)
	pool := poolOf(dir)
	if err := os.Rename(dir, filepath.Join(trash, "x")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("repository %s: %w", name, err)
	}
	if pool != "" {
		p := s.lock(poolDir, pool)
		p.Lock()
		defer p.Unlock()
		if err := s.leave(pool); err != nil {
			return fmt.Errorf("repository %s: %w", name, err)
		}
	}
	if err := os.RemoveAll(s.snapshots(ns, name)); err != nil {
		return fmt.Errorf("repository %s: %w", name, err)
	}
	return atomicfile.SyncDir(s.Dir)
}

// open reads the repository with go-git. A handle is for one request: it does
// not see packs that are written later.
func (s *Store) open(ctx context.Context, ns, name string) (*gogit.Repository, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := s.path(ns, name)
	if err != nil {
		return nil, err
	}
	if !s.Has(ns, name) {
		return nil, fmt.Errorf("repository %s: %w", name, ErrNotFound)
	}
	r, err := gogit.Open(s.storage(dir), nil)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", name, err)
	}
	return r, nil
}

func writeSynced(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// ensureEmpty makes the repository that stands for those without data.
func (s *Store) ensureEmpty(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st, err := os.Stat(filepath.Join(dir, originFile)); err == nil && st.Mode().IsRegular() {
		return nil
	}
	_ = os.RemoveAll(dir)
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(s.Dir, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := layout(tmp, hosted); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}
