package git

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxPackFiles is how many packs a repository may have before they are joined.
const maxPackFiles = 40

// maintain joins the packs of repositories that have many, and indexes the commits of
// large ones. Objects that no ref names any more are kept: a release may still name
// their commit.
func (h *Host) maintain(ctx context.Context) {
	dirs, _ := filepath.Glob(filepath.Join(h.Dir, "*", "*.git"))
	for _, dir := range dirs {
		if ctx.Err() != nil {
			return
		}
		packs, _ := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
		loose, _ := filepath.Glob(filepath.Join(dir, "objects", "17", "*"))
		if len(packs) >= maxPackFiles || len(loose) >= 50 {
			h.repack(ctx, dir)
		}
		h.graph(ctx, dir, packs)
	}
}

// repack joins the packs of the repository, or pool, at dir.
func (h *Host) repack(ctx context.Context, dir string) {
	if key, pool := strings.CutSuffix(filepath.Base(dir), ".git"); pool && filepath.Base(filepath.Dir(dir)) == poolDir {
		m := h.lock(poolDir, key)
		m.Lock()
		defer m.Unlock()
	}
	j := h.joining(dir)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.count.Add(1)
	defer j.count.Add(1)
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	var stderr tailBuffer
	cmd := h.gitCommand(ctx, dir, "gc", "--quiet", "--cruft", "--prune=never")
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		h.Log.Warn("packs not joined", "directory", dir, "error", err, "stderr", stderr.String())
	}
}

// joining tells readers of a repository whether its packs are being joined: its
// count is odd meanwhile.
type joining struct {
	mu    sync.Mutex
	count atomic.Int64
}

func (s *Store) joining(dir string) *joining {
	j, _ := s.joins.LoadOrStore(dir, &joining{})
	return j.(*joining)
}

// again tries a read anew that did not succeed while packs were being joined: to a
// reader with the old ones open, objects seem to be missing then.
func again[T any](s *Store, ns, name string, read func() (T, error)) (T, error) {
	dir, err := s.path(ns, name)
	if err != nil {
		return read()
	}
	j := s.joining(s.objects(dir))
	for try := 0; ; try++ {
		before := j.count.Load()
		v, err := read()
		if err == nil || try == 3 || before%2 == 0 && j.count.Load() == before {
			return v, err
		}
		j.mu.Lock()
		j.mu.Unlock() // it was only to wait for the end
	}
}
