package release

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// followers are told when something happens to an application or to what it has applied.
// The zero value has none, and nil never has.
type followers struct {
	mu sync.Mutex
	of map[types.NamespacedName]map[chan struct{}]bool
}

// tell those of an application. It never blocks: who has not looked yet will see this too.
func (f *followers) tell(app types.NamespacedName) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.of[app] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Follow gives word, until ctx ends, that something happened to an application or to what
// it has applied since word was taken last.
func (r *Reconciler) Follow(ctx context.Context, namespace, application string) <-chan struct{} {
	app, c, f := types.NamespacedName{Namespace: namespace, Name: application}, make(chan struct{}, 1), r.followers
	if f == nil {
		return c
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[types.NamespacedName]map[chan struct{}]bool{}
	}
	if f.of[app] == nil {
		f.of[app] = map[chan struct{}]bool{}
	}
	f.of[app][c] = true
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.of[app], c)
		if len(f.of[app]) == 0 {
			delete(f.of, app)
		}
	})
	return c
}
