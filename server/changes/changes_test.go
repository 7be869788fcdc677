package changes

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/api"
)

// informers is a cache that has n applications in each of two namespaces, and nothing else.
type informers struct {
	cache.Cache
	n int

	mu       sync.Mutex
	handlers map[string]toolscache.ResourceEventHandler
}

func (f *informers) GetInformer(_ context.Context, o client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	return &informer{of: f, kind: fmt.Sprintf("%T", o)}, nil
}

func application(ns string, i int) *slipway.Application {
	return &slipway.Application{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: fmt.Sprintf("app-%d", i)}}
}

type informer struct {
	cache.Informer
	of   *informers
	kind string
}

// AddEventHandler tells all that there is, as a shared informer does, in its own time.
func (i *informer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	i.of.mu.Lock()
	defer i.of.mu.Unlock()
	i.of.handlers[i.kind] = h
	if i.kind == "*v1alpha1.Application" {
		go func() {
			for k := range i.of.n {
				h.OnAdd(application("default", k), true)
				h.OnAdd(application("other", k), true)
			}
		}()
	}
	return nil, nil
}

func (i *informer) RemoveEventHandler(toolscache.ResourceEventHandlerRegistration) error {
	i.of.mu.Lock()
	defer i.of.mu.Unlock()
	delete(i.of.handlers, i.kind)
	return nil
}

func (f *informers) registered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.handlers)
}

func TestWatching(t *testing.T) {
	const n = 3 * backlog
	for name, tc := range map[string]struct {
		what     api.Watching
		first    int
		handlers int
	}{
		"all of it, to a reader slower than the informers": {api.Watching{}, n, 7},
		"what changes only": {api.Watching{News: true}, 0, 7},
		"one object":        {api.Watching{Name: "app-7"}, 1, 7},
		"one kind":          {api.Watching{Kinds: []string{"Release"}}, 0, 1},
		"no kind of ours":   {api.Watching{Kinds: []string{"Secret"}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &informers{n: n, handlers: map[string]toolscache.ResourceEventHandler{}}
				ctx, cancel := context.WithCancel(t.Context())
				changes, err := Watcher{f}.Watch(ctx, "default", tc.what)
				if err != nil {
					t.Fatal(err)
				}
				if got := f.registered(); got != tc.handlers {
					t.Errorf("%d kinds are watched, want %d", got, tc.handlers)
				}
				for i := range tc.first {
					synctest.Wait() // the reader is behind all the time
					c, ok := <-changes
					if !ok || c.Type != "ADDED" || c.Object.GetNamespace() != "default" {
						t.Fatalf("change %d: %+v %v", i, c, ok)
					}
				}
				synctest.Wait()
				select {
				case c := <-changes:
					t.Errorf("%s of %s/%s besides", c.Type, c.Object.GetNamespace(), c.Object.GetName())
				default:
				}
				cancel()
				for range changes {
				}
				synctest.Wait()
				if got := f.registered(); got != 0 {
					t.Errorf("%d handlers are left", got)
				}
			})
		})
	}
}

// TestASlowReaderIsCutOff: one that does not read must not fill the server's memory.
func TestASlowReaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &informers{handlers: map[string]toolscache.ResourceEventHandler{}}
		changes, err := Watcher{f}.Watch(t.Context(), "default", api.Watching{Kinds: []string{"Application"}})
		if err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		h := f.handlers["*v1alpha1.Application"]
		f.mu.Unlock()
		for i := range 2 * backlog {
			h.OnUpdate(nil, application("default", i))
		}
		n := 0
		for range changes {
			n++
		}
		if n > backlog+2 {
			t.Errorf("%d changes were kept", n)
		}
	})
}
