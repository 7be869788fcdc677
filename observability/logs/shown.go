package logs

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// shown makes what was kept visible to a search before it looks.
//
// The library shows rows a second after they came, and the names of a stream that it had not
// seen up to a second later, counted from another clock. In between it counts such rows, and
// leaves them out of every answer that has all fields, without an error. So a search that
// follows a new stream has both shown first; one that follows others looks at once.
type shown struct {
	mu sync.Mutex // held while the library flushes
	// adding are the writers that may be adding a new stream; streams and rows count what
	// was added.
	adding        atomic.Int64
	streams, rows counter
	last          atomic.Int64 // when everything was shown

	// known are streams by day that are in the library's index. Where they are too many, all
	// are forgotten, and are new again.
	knownMu sync.Mutex
	known   map[string]struct{}
}

// counter is how many there are, and how many of them searches see.
type counter struct{ there, seen atomic.Uint64 }

func (c *counter) all() bool { return c.seen.Load() == c.there.Load() }

const (
	maxKnown = 50_000
	dayNanos = 24 * 3600 * 1e9
)

// add calls f, which adds rows to the store.
func (v *shown) add(rows []Row, f func()) {
	fresh := v.unknown(rows)
	if len(fresh) > 0 {
		v.adding.Add(1)
	}
	f()
	v.rows.there.Add(1)
	if len(fresh) > 0 {
		v.streams.there.Add(1)
		v.adding.Add(-1)
		v.learn(fresh)
	}
}

// unknown are the streams of rows that are not known to be in the index.
func (v *shown) unknown(rows []Row) (fresh []string) {
	var key []byte
	v.knownMu.Lock()
	defer v.knownMu.Unlock()
	for i, r := range rows {
		if i > 0 && sameStream(rows[i-1], r) {
			continue
		}
		key = append(key[:0], dayOf(r)...)
		for _, f := range r.Fields[:r.Stream] {
			key = append(append(append(append(key, 0), f.Name...), 0), f.Value...)
		}
		if _, ok := v.known[string(key)]; ok {
			continue
		}
		fresh = append(fresh, string(key))
	}
	return fresh
}

func sameStream(a, b Row) bool {
	if a.Stream != b.Stream || a.Time/dayNanos != b.Time/dayNanos {
		return false
	}
	for i := range a.Stream {
		if a.Fields[i] != b.Fields[i] {
			return false
		}
	}
	return true
}

func (v *shown) learn(streams []string) {
	v.knownMu.Lock()
	defer v.knownMu.Unlock()
	if len(v.known) > maxKnown || v.known == nil {
		v.known = map[string]struct{}{}
	}
	for _, s := range streams {
		v.known[s] = struct{}{}
	}
}

// forget has every stream be new again: those of a day that goes are, when it comes back.
func (v *shown) forget() {
	v.knownMu.Lock()
	defer v.knownMu.Unlock()
	clear(v.known)
}

// index has the streams shown of which a search might count rows already.
func (v *shown) index(flush func()) { v.show(flush, v.indexed) }

func (v *shown) indexed() bool { return v.adding.Load() == 0 && v.streams.all() }

// rest is how long is waited from one time that everything is shown to the next: each makes
// a part of its own of the rows that came since, however few.
const rest = 100 * time.Millisecond

// everything has all shown that was kept before, those who ask at a time together.
func (v *shown) everything(ctx context.Context, flush func()) error {
	want := v.rows.there.Load()
	is := func() bool { return v.rows.seen.Load() >= want }
	for !is() {
		if wait := time.Until(time.Unix(0, v.last.Load()).Add(rest)); wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return context.Cause(ctx)
			}
			continue
		}
		v.show(flush, is)
		v.last.Store(time.Now().UnixNano())
	}
	return nil
}

func (v *shown) show(flush func(), is func() bool) {
	if is() {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if is() { // whoever held the lock had it shown
		return
	}
	streams, rows := v.streams.there.Load(), v.rows.there.Load()
	flush()
	v.streams.seen.Store(streams)
	v.rows.seen.Store(rows)
}
