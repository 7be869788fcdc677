// Package watch owns the eyes of the applications: one watch for each kind that any of
// them has objects of, in each cluster, of metadata only and of labelled objects only,
// and nothing is kept of what it sees. A change tells the application that it concerns.
//
// It decides nothing and reads no object. Watches begin when the first application wants
// a kind and end with the last; their number is bounded, and an application of which a
// kind is not watched is told so, to look by itself now and then. Start at Watcher.Want.
package watch

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"slipway.dev/cluster/api/v1alpha1"
)

// defaultLimit of watches at once.
const defaultLimit = 200

// Cluster is where objects are and how they are seen.
type Cluster struct {
	// Key is the same for what sees the same. Empty is this cluster.
	Key    string
	Config *rest.Config
	// Client carries the requests; nil makes one of Config.
	Client *http.Client
	Mapper meta.RESTMapper
	// Tenant whose applications all objects elsewhere are; empty at home, where the
	// namespace of an object says it.
	Tenant string
	// Namespace that is looked into; empty is all.
	Namespace string
}

// Wish is what an application wants to hear about.
type Wish struct {
	Kinds []schema.GroupVersionKind
	// Configs are ConfigMaps and Secrets that carry no label of ours.
	Configs []Config
}

// Config is one ConfigMap or Secret.
type Config struct{ Kind, Namespace, Name string }

// News is that something happened to an application.
type News struct {
	Application types.NamespacedName
	// Object that changed, by its identity (without a version of its kind), and its version
	// now. Both are empty where anything may have happened, or it is gone.
	Object  v1alpha1.ObjectReference
	Version string
}

// Watcher is safe for concurrent use.
type Watcher struct {
	// Notify is told of each application that something happened to. It must not block.
	Notify func(News)
	// Home is the namespace of the applications behind objects of a namespace.
	Home func(ctx context.Context, namespace string) string
	// Limit of watches at once. Default 200.
	Limit int
	Log   *slog.Logger
	// open is metadata.NewForConfigAndClient, but in tests.
	open func(Cluster) (metadata.Interface, error)

	mu      sync.Mutex
	ctx     context.Context
	running sync.WaitGroup
	wishes  map[types.NamespacedName]wish
	feeds   map[feedKey]*feed
	full    bool
}

type wish struct {
	cluster string
	feeds   []feedKey
	configs []Config
}

type feedKey struct {
	cluster string
	kind    schema.GroupVersionKind
	// configs is the feed of all ConfigMaps or Secrets, labelled or not.
	configs bool
}

// Start runs the watches until ctx ends, and returns when all have ended.
func (w *Watcher) Start(ctx context.Context) error {
	w.mu.Lock()
	w.ctx = ctx
	for _, f := range w.feeds {
		w.run(f)
	}
	w.mu.Unlock()
	<-ctx.Done()
	w.running.Wait()
	return nil
}

// Want replaces what an application wants to hear about, and says whether all of it is
// watched.
func (w *Watcher) Want(app types.NamespacedName, c Cluster, want Wish) (bool, error) {
	next := wish{cluster: c.Key, configs: want.Configs}
	for _, kind := range want.Kinds {
		if k := (feedKey{cluster: c.Key, kind: kind}); !slices.Contains(next.feeds, k) {
			next.feeds = append(next.feeds, k)
		}
	}
	for _, r := range want.Configs {
		k := feedKey{cluster: c.Key, kind: schema.GroupVersionKind{Version: "v1", Kind: r.Kind}, configs: true}
		if !slices.Contains(next.feeds, k) {
			next.feeds = append(next.feeds, k)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wishes == nil {
		w.wishes, w.feeds = map[types.NamespacedName]wish{}, map[feedKey]*feed{}
	}
	before, had := w.wishes[app]
	all := w.watched(next.feeds)
	if had && all && before.cluster == next.cluster && slices.Equal(before.feeds, next.feeds) && slices.Equal(before.configs, next.configs) {
		return true, nil
	}
	w.wishes[app] = next
	var fault error
	for _, k := range next.feeds {
		if err := w.join(k, c, app, next.configs); err != nil {
			fault = err
		}
	}
	for _, k := range before.feeds {
		if !slices.Contains(next.feeds, k) {
			w.leave(k, app)
		}
	}
	return w.watched(next.feeds), fault
}

// Forget what an application wanted.
func (w *Watcher) Forget(app types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.wishes[app].feeds {
		w.leave(k, app)
	}
	delete(w.wishes, app)
}

// Watches says whether all that an application wants is watched.
func (w *Watcher) Watches(app types.NamespacedName) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.watched(w.wishes[app].feeds)
}

// Count of watches.
func (w *Watcher) Count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.feeds)
}

func (w *Watcher) watched(keys []feedKey) bool {
	for _, k := range keys {
		if w.feeds[k] == nil {
			return false
		}
	}
	return true
}

// join adds an application to a feed, and begins it with the first. It holds the lock.
func (w *Watcher) join(k feedKey, c Cluster, app types.NamespacedName, configs []Config) error {
	f := w.feeds[k]
	if f == nil {
		limit := w.Limit
		if limit == 0 {
			limit = defaultLimit
		}
		if len(w.feeds) >= limit {
			if !w.full {
				w.Log.Warn("kinds of objects beyond the limit of watches are looked at now and then only", "limit", limit, "kind", k.kind.String())
			}
			w.full = true
			return nil
		}
		mapping, err := c.Mapper.RESTMapping(k.kind.GroupKind(), k.kind.Version)
		if meta.IsNoMatchError(err) {
			return nil // not yet, or not any more
		}
		if err != nil {
			return fmt.Errorf("watch of %s: %w", k.kind.Kind, err)
		}
		open := w.open
		if open == nil {
			open = client
		}
		source, err := open(c)
		if err != nil {
			return fmt.Errorf("watch of %s: %w", k.kind.Kind, err)
		}
		f = &feed{w: w, key: k, apps: map[types.NamespacedName][]Config{}, tenant: c.Tenant, source: source, resource: source.Resource(mapping.Resource)}
		if c.Namespace != "" && mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			f.resource = source.Resource(mapping.Resource).Namespace(c.Namespace)
		}
		w.feeds[k] = f
		if w.ctx != nil {
			w.run(f)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.apps[app] = nil
	if k.configs {
		f.apps[app] = configs
	}
	return nil
}

// leave takes an application out of a feed, and ends it with the last. It holds the lock.
func (w *Watcher) leave(k feedKey, app types.NamespacedName) {
	f := w.feeds[k]
	if f == nil {
		return
	}
	f.mu.Lock()
	delete(f.apps, app)
	empty := len(f.apps) == 0
	f.mu.Unlock()
	if empty {
		delete(w.feeds, k)
		w.full = false
		if f.cancel != nil {
			f.cancel()
		}
	}
}

func (w *Watcher) run(f *feed) {
	ctx, cancel := context.WithCancel(w.ctx)
	f.cancel = cancel
	w.running.Go(func() { f.run(ctx) })
}

func client(c Cluster) (metadata.Interface, error) {
	if c.Client != nil {
		return metadata.NewForConfigAndClient(metadata.ConfigFor(c.Config), c.Client)
	}
	return metadata.NewForConfig(c.Config)
}

// owner of a labelled object.
func (w *Watcher) owner(ctx context.Context, o *metav1.PartialObjectMetadata, tenant string) (types.NamespacedName, bool) {
	name := o.Labels[v1alpha1.LabelApplication]
	space := o.Labels[v1alpha1.LabelApplicationNamespace]
	switch {
	case name == "":
		return types.NamespacedName{}, false
	case space == "" && tenant != "":
		space = tenant
	case space == "":
		space = w.Home(ctx, o.Namespace)
	}
	return types.NamespacedName{Namespace: space, Name: name}, true
}
