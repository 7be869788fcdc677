package logs

import (
	"context"
	"io"
	"sync"
	"time"
)

// followers are the searches that go on with rows as they come.
type followers struct {
	mu  sync.Mutex
	all map[*follower]bool
}

// follower is told that rows came.
type follower struct{ came chan struct{} }

func (f *followers) add() *follower {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[*follower]bool{}
	}
	n := &follower{came: make(chan struct{}, 1)}
	f.all[n] = true
	return n
}

func (f *followers) remove(n *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, n)
}

func (f *followers) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range f.all {
		select {
		case n.came <- struct{}{}:
		default:
		}
	}
}

// visible is how long rows are gathered before they are looked for; late is how
// far behind its own time a row may arrive and still be followed.
const (
	visible = 1200 * time.Millisecond
	late    = 10 * time.Second
)

// before are the rows that are there when somebody begins to follow, as far back as is looked
// again: of them, those beyond the limit are not wanted, now and later.
func (s *Store) before(ctx context.Context, query Query, shown *seen) error {
	if from := query.End.Add(-late); query.Start.Before(from) {
		query.Start = from
	}
	return s.windows(ctx, query, func(r found) error {
		shown.add(r)
		return nil
	})
}

// follow searches again each time rows came. Windows overlap by late, and rows
// that were shown are left out. However many come, all are written: who reads slowly is
// behind, and misses none.
func (n *follower) follow(ctx context.Context, w io.Writer, s *Store, query Query, shown *seen) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.came:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(visible):
		}
		query.Start, query.End = query.End.Add(-late), time.Now()
		if err := s.Refresh(ctx); err != nil {
			return err
		}
		shown.forget(query.Start)
		err := s.windows(ctx, query, func(r found) error {
			if shown.add(r) {
				return nil
			}
			_, err := w.Write(append(r.json, '\n'))
			return err
		})
		if err != nil {
			return err
		}
	}
}
