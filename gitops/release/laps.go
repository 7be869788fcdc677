package release

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
)

const (
	// maxGap is what one look adds at most to how long something took. A rollout is
	// looked at more often than that, so that a longer gap is time in which nobody could
	// look (the apiserver was away, the machine slept), or a clock that was set.
	maxGap = 3 * backstop
	// grace that is left of a deadline after a restart, for a look.
	grace = maxGap
)

// laps measure how long applications have been at what they are doing.
type laps struct {
	mu sync.Mutex
	of map[types.NamespacedName]lap
}

type lap struct {
	what string
	// seen is when the last look was, zero when it saw nothing.
	seen time.Time
	took time.Duration
}

// took says for how long an application has been at something that began at since, of
// limit at most. Without laps it is what the clock says.
func (l *laps) took(app types.NamespacedName, what string, since, now time.Time, limit time.Duration) time.Duration {
	if l == nil {
		return now.Sub(since)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[types.NamespacedName]lap{}
	}
	at, ok := l.of[app]
	if !ok || at.what != what {
		at = lap{what: what, seen: now, took: max(min(now.Sub(since), limit-grace), 0)}
	}
	if !at.seen.IsZero() {
		at.took += max(min(now.Sub(at.seen), maxGap), 0)
	}
	at.seen = now
	l.of[app] = at
	return at.took
}

// blind notes that nothing could be seen: the time until the next look is nobody's.
func (l *laps) blind(app types.NamespacedName) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.of[app]; ok {
		at.seen = time.Time{}
		l.of[app] = at
	}
}

func (l *laps) forget(app types.NamespacedName) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, app)
}

// took says for how long a release, or the step of it that is under way, has been.
func (r *Reconciler) took(app *v1alpha1.Application, rel *v1alpha1.Release, limit time.Duration) time.Duration {
	what, since := rel.Name, started(rel)
	if p := rel.Status.Sync; p != nil && p.Since != nil {
		what, since = fmt.Sprintf("%s %s %d %d", rel.Name, p.Phase, p.Wave, p.Stage), p.Since.Time
	}
	return r.laps.took(types.NamespacedName{Namespace: app.Namespace, Name: app.Name}, what, since, r.now(), limit)
}
