package release

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/watch"
)

// attention tells news of objects from what is known of them already: what an application
// was looked at for needs no second look, and most of what a watch brings after a release
// is its own writing. The zero value knows nothing.
type attention struct {
	mu sync.Mutex
	// now are the applications that are being looked at.
	now map[types.NamespacedName]*gaze
	// known versions of objects, of applications that were looked at lately.
	known *simplelru.LRU[types.NamespacedName, map[v1alpha1.ObjectReference]string]
}

// maxKnown applications are remembered: what comes later is looked at once more than needed.
const maxKnown = 512

// gaze is one look at an application.
type gaze struct {
	seen *apply.Seen
	// came is the last version of each object that a watch brought meanwhile.
	came map[v1alpha1.ObjectReference]string
	// more says that something happened of which only another look can tell what.
	more bool
	word chan struct{}
}

// begin a look. What happens to the application's objects meanwhile waits for its end.
func (a *attention) begin(ctx context.Context, app types.NamespacedName) (context.Context, *gaze) {
	ctx, seen := apply.Looking(ctx)
	g := &gaze{seen: seen, came: map[v1alpha1.ObjectReference]string{}, word: make(chan struct{}, 1)}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now == nil {
		a.now = map[types.NamespacedName]*gaze{}
		a.known, _ = simplelru.NewLRU[types.NamespacedName, map[v1alpha1.ObjectReference]string](maxKnown, nil) // fails for sizes below 1 only
	}
	a.now[app] = g
	return ctx, g
}

// current look at an application, or nil.
func (a *attention) current(app types.NamespacedName) *gaze {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now[app]
}

// hears says whether another look need not be asked for: there is no news, or who looks
// right now will see to it.
func (a *attention) hears(n watch.News) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.now[n.Application]
	if n.Version == "" {
		if g != nil {
			g.more = true
		}
		return g != nil
	}
	if g == nil {
		if a.known == nil {
			return false
		}
		known, _ := a.known.Get(n.Application)
		return known[n.Object] == n.Version
	}
	g.came[n.Object] = n.Version
	if g.seen.Version(n.Object) != n.Version {
		select {
		case g.word <- struct{}{}:
		default:
		}
	}
	return true
}

// end of a look. It says whether something happened meanwhile that was not seen.
func (a *attention) end(app types.NamespacedName, g *gaze) (news bool) {
	seen := g.seen.Versions()
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.now, app)
	if len(seen) > 0 {
		a.known.Add(app, seen)
	}
	news = g.more
	for object, version := range g.came {
		news = news || seen[object] != version
	}
	return news
}

// moment is how long a look waits for controllers to see what it wrote.
const moment = time.Second

// observed waits a moment for the controllers of what was just applied to look at it: a
// Deployment that needs no new pods is healthy then, and everything about its release is
// said at once. What needs pods is not waited for.
func (r *Reconciler) observed(ctx context.Context, app *v1alpha1.Application, n int64, refs []v1alpha1.ObjectReference) []v1alpha1.ObjectReference {
	if r.attention == nil || r.watcher == nil {
		return refs
	}
	g := r.attention.current(types.NamespacedName{Namespace: app.Namespace, Name: app.Name})
	if g == nil {
		return refs
	}
	end := time.NewTimer(moment)
	defer end.Stop()
	for {
		var wait []v1alpha1.ObjectReference
		for _, ref := range refs {
			switch {
			case ref.Health == "" || apply.Failed([]v1alpha1.ObjectReference{ref}) != nil:
				return refs
			case apply.Healthy(ref):
			case !g.seen.Unobserved(ref):
				return refs // it takes longer than a moment
			default:
				wait = append(wait, ref)
			}
		}
		if len(wait) == 0 {
			return refs
		}
		select {
		case <-g.word:
		case <-end.C:
			return refs
		case <-ctx.Done():
			return refs
		}
		now, _, err := r.Applier.Health(ctx, r.target(app, n), wait)
		if err != nil {
			return refs // it is asked again, and said then
		}
		refs = apply.Record(refs, now)
	}
}
