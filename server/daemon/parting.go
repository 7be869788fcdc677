package daemon

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// parting tells how long each part of the server took to stop, and which have not. The zero
// value has not begun.
type parting struct {
	mu    sync.Mutex
	began time.Time
	took  map[string]time.Duration
	runs  map[string]bool
}

// worthTelling is what a part may take without being told of.
const worthTelling = 250 * time.Millisecond

// begin notes that the server is to stop.
func (p *parting) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() {
		p.began = time.Now()
	}
}

// part notes that a part works, and returns what it is to call when it has ended.
func (p *parting) part(name string) (ended func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runs == nil {
		p.runs, p.took = map[string]bool{}, map[string]time.Duration{}
	}
	p.runs[name] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.runs, name)
		if !p.began.IsZero() {
			p.took[name] = time.Since(p.began)
		}
	}
}

// step is a part that stops after those before it: how long it takes counts from now.
func (p *parting) step(name string, stop func()) {
	began := time.Now()
	stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.took == nil {
		p.took = map[string]time.Duration{}
	}
	p.took[name] = time.Since(began)
}

// within waits for all parts until the stop is as old as that, and names those that are left
// behind: what they hold ends with the process.
func (p *parting) within(limit time.Duration, wait func() error, log *slog.Logger) {
	p.mu.Lock()
	limit -= time.Since(p.began)
	p.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = wait() // a failure was told when it came
	}()
	select {
	case <-done:
	case <-time.After(max(limit, time.Second)):
		p.mu.Lock()
		defer p.mu.Unlock()
		log.Warn("parts of the server do not stop in time, and are left behind", "parts", slices.Sorted(maps.Keys(p.runs)))
	}
}

// tell says how long the stop took, and what of it was long.
func (p *parting) tell(log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() {
		return
	}
	names := slices.SortedFunc(maps.Keys(p.took), func(a, b string) int { return cmp.Compare(p.took[b], p.took[a]) })
	var long []string
	for _, name := range names {
		if took := p.took[name]; took >= worthTelling {
			long = append(long, fmt.Sprintf("%s %.1f s", name, took.Seconds()))
		}
	}
	log.Info("stopped", "took", time.Since(p.began).Round(time.Millisecond), "longest", strings.Join(long, ", "))
}
