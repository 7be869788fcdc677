package watch

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"slipway.dev/cluster/api/v1alpha1"
)

// feed is the watch of one kind in one cluster. As a store it keeps nothing: it passes
// on whom a change concerns.
type feed struct {
	w        *Watcher
	key      feedKey
	tenant   string
	source   metadata.Interface
	resource metadata.ResourceInterface
	cancel   context.CancelFunc
	ctx      context.Context

	mu sync.Mutex
	// apps that want it, and which ConfigMaps or Secrets of them.
	apps map[types.NamespacedName][]Config
}

var _ cache.ReflectorStore = (*feed)(nil)

func (f *feed) run(ctx context.Context) {
	f.ctx = ctx
	selector := v1alpha1.LabelApplication
	if f.key.configs {
		selector = ""
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			return f.resource.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			return f.resource.Watch(ctx, o)
		},
	}
	cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(source, f.source), &metav1.PartialObjectMetadata{}, f, cache.ReflectorOptions{
		Name: "applications' " + f.key.kind.Kind, TypeDescription: f.key.kind.String(),
	}).RunWithContext(ctx)
}

// Add satisfies cache.ReflectorStore, as do those below.
func (f *feed) Add(o any) error    { return f.tell(o, false) }
func (f *feed) Update(o any) error { return f.tell(o, false) }
func (f *feed) Delete(o any) error { return f.tell(o, true) }
func (f *feed) Resync() error      { return nil }

// Replace is the state after a time without eyes: anything may have happened.
func (f *feed) Replace([]any, string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for app := range f.apps {
		f.w.Notify(News{Application: app})
	}
	return nil
}

func (f *feed) tell(v any, gone bool) error {
	o, ok := v.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil
	}
	if !f.key.configs {
		if app, ok := f.w.owner(f.ctx, o, f.tenant); ok {
			news := News{Application: app}
			if !gone {
				news.Object = v1alpha1.ObjectReference{Group: f.key.kind.Group, Kind: f.key.kind.Kind, Namespace: o.Namespace, Name: o.Name}
				news.Version = o.ResourceVersion
			}
			f.w.Notify(news)
		}
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for app, configs := range f.apps {
		for _, c := range configs {
			if c.Kind == f.key.kind.Kind && c.Name == o.Name && c.Namespace == o.Namespace {
				f.w.Notify(News{Application: app})
			}
		}
	}
	return nil
}
