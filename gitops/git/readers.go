package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	gogit "github.com/go-git/go-git/v5"
)

const (
	// idleReaders are kept for a while after their use, each with the index of its packs and
	// up to 16 MiB of objects.
	idleReaders = 3
	idleFor     = 5 * time.Second
)

// readers that were open and are used again, as when many applications are made of one
// commit: to read the index of the packs costs more than most of what is read. Each is used
// by one at a time, and not again when packs came or went.
type readers struct {
	mu   sync.Mutex
	idle []*reader
}

type reader struct {
	repo       *gogit.Repository
	dir, packs string
	since      time.Time
}

// reader opens a repository, or takes a reader that is idle. Whoever has read all of what
// was asked of it calls done.
func (s *Store) reader(ctx context.Context, ns, name string) (repo *gogit.Repository, done func(), err error) {
	dir, err := s.path(ns, name)
	if err != nil {
		return nil, nil, err
	}
	if !s.Has(ns, name) {
		return nil, nil, fmt.Errorf("repository %s: %w", name, ErrNotFound)
	}
	packs := s.packs(dir)
	r := s.readers.take(dir, packs)
	if r == nil {
		opened, err := s.open(ctx, ns, name)
		if err != nil {
			return nil, nil, err
		}
		r = &reader{repo: opened, dir: dir, packs: packs}
	}
	return r.repo, func() { s.readers.put(r) }, ctx.Err()
}

// packs names those that a repository has, its own and its pool's.
func (s *Store) packs(dir string) string {
	out := []string{poolOf(dir)}
	for _, d := range []string{dir, s.objects(dir)} {
		entries, err := os.ReadDir(filepath.Join(d, "objects", "pack"))
		if err != nil {
			out = append(out, err.Error())
		}
		for _, e := range entries {
			out = append(out, e.Name())
		}
	}
	return strings.Join(out, "\n")
}

func (p *readers) take(dir, packs string) *reader {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.idle, func(r *reader) bool { return r.dir == dir && r.packs == packs })
	if i < 0 {
		return nil
	}
	r := p.idle[i]
	p.idle = slices.Delete(p.idle, i, i+1)
	return r
}

func (p *readers) put(r *reader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.since = time.Now()
	p.idle = append(p.idle, r)
	if extra := len(p.idle) - idleReaders; extra > 0 {
		p.idle = slices.Delete(p.idle, 0, extra)
	}
	time.AfterFunc(idleFor, p.sweep)
}

// sweep gives up those that nobody used for a while.
func (p *readers) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = slices.DeleteFunc(p.idle, func(r *reader) bool { return time.Since(r.since) >= idleFor })
}
