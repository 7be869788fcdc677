package commitstatus

import (
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Pauses between two attempts, doubled with every failure, with a quarter of jitter.
const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	// A refusal is tried again as well: what a person mends at the forge, nobody tells us.
	firstRefused   = time.Minute
	longestRefused = 30 * time.Minute
)

func pause(failures int, first, longest time.Duration) time.Duration {
	d := first
	for i := 1; i < failures && d < longest; i++ {
		d *= 2
	}
	return time.Duration(float64(min(d, longest)) * (0.75 + 0.5*rand.Float64()))
}

// gates lets one request of a repository through at a time, and none while its forge
// wants to be left alone, so that a slow forge holds up nobody else's statuses. Runs whose
// own commit was refused have a pause of their own.
type gates struct {
	mu    sync.Mutex
	repos map[types.NamespacedName]*gate
	runs  map[types.NamespacedName]*gate
}

type gate struct {
	busy     bool
	until    time.Time
	failures int
	// generation of the Repository that the pause is for: a changed one is tried at once.
	generation int64
}

// enter, or say how long to stay away.
func (g *gates) enter(repo, run types.NamespacedName, generation int64, now time.Time) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.repos == nil {
		g.repos, g.runs = map[types.NamespacedName]*gate{}, map[types.NamespacedName]*gate{}
	}
	r := g.repos[repo]
	if r == nil {
		r = &gate{}
		g.repos[repo] = r
	}
	if r.generation != generation && !r.busy {
		*r = gate{generation: generation}
	}
	if r.busy {
		return 200*time.Millisecond + rand.N(200*time.Millisecond)
	}
	until := r.until
	if own := g.runs[run]; own != nil && own.generation == generation && own.until.After(until) {
		until = own.until
	}
	if left := until.Sub(now); left > 0 {
		return left + rand.N(200*time.Millisecond)
	}
	r.busy = true
	return 0
}

// leave after a verdict; it says how long until the run is tried again.
func (g *gates) leave(repo, run types.NamespacedName, v verdict, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.repos[repo]
	r.busy = false
	switch v.result {
	case taken:
		r.failures, r.until = 0, now.Add(v.wait)
		delete(g.runs, run)
		return 0
	case refusedOne:
		own := g.runs[run]
		if own == nil || own.generation != r.generation {
			own = &gate{generation: r.generation}
			g.runs[run] = own
		}
		r.failures = 0
		own.failures++
		d := max(v.wait, pause(own.failures, firstRefused, longestRefused))
		own.until = now.Add(d)
		return d
	}
	r.failures++
	d := pause(r.failures, firstPause, longestPause)
	if v.result == refused {
		d = pause(r.failures, firstRefused, longestRefused)
	}
	if v.wait > 0 {
		d = v.wait + time.Duration(float64(time.Second)*rand.Float64())
	}
	r.until = now.Add(d)
	return d
}

// failures in a row of the repository.
func (g *gates) failures(repo types.NamespacedName) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.repos[repo]; r != nil {
		return r.failures
	}
	return 0
}

// forget a run that needs nothing more.
func (g *gates) forget(run types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.runs, run)
}

// forgetRepository that is gone or has no forge any more.
func (g *gates) forgetRepository(repo types.NamespacedName) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.repos[repo]; r != nil && !r.busy {
		delete(g.repos, repo)
	}
}
