package release

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/watch"
)

// unwatchedEvery is how often an application looks by itself of which not everything can
// be watched.
const unwatchedEvery = time.Minute

// eyes has the watcher run with the manager, and gives its news to the controller.
func (r *Reconciler) eyes(m ctrl.Manager) (source.Source, error) {
	var queue atomic.Pointer[workqueue.TypedRateLimitingInterface[reconcile.Request]]
	r.watcher = &watch.Watcher{
		// Before the controller starts nobody need be told: it looks at everything then.
		Notify: func(n watch.News) {
			r.followers.tell(n.Application)
			if q := queue.Load(); q != nil && !r.attention.hears(n) {
				(*q).Add(reconcile.Request{NamespacedName: n.Application})
			}
		},
		Home: func(ctx context.Context, namespace string) string { return home(ctx, r.Client, namespace) },
		Log:  r.Log,
	}
	if err := m.Add(r.watcher); err != nil {
		return nil, err
	}
	return source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		queue.Store(&q)
		return nil
	}), nil
}

// want watches all kinds of which an application has objects, pods for their failures,
// and the configuration that they use.
func (r *Reconciler) want(ctx context.Context, app *v1alpha1.Application, hooks []apply.Hook) error {
	if r.watcher == nil {
		return nil
	}
	where, err := r.Applier.Watched(ctx, r.target(app, 0))
	if err != nil {
		return err
	}
	wish := watch.Wish{Kinds: []schema.GroupVersionKind{{Version: "v1", Kind: "Pod"}}}
	add := func(ref v1alpha1.ObjectReference) {
		kind := schema.GroupVersionKind{Group: ref.Group, Version: ref.Version, Kind: ref.Kind}
		if !slices.Contains(wish.Kinds, kind) {
			wish.Kinds = append(wish.Kinds, kind)
		}
	}
	for _, list := range [][]v1alpha1.ObjectReference{app.Status.Inventory, app.Status.Hooks} {
		for _, ref := range list {
			add(ref)
		}
	}
	for _, h := range hooks {
		add(h.Reference())
	}
	for _, ref := range app.Status.References {
		wish.Configs = append(wish.Configs, watch.Config{Kind: ref.Kind, Namespace: destination(app), Name: ref.Name})
	}
	_, err = r.watcher.Want(types.NamespacedName{Namespace: app.Namespace, Name: app.Name}, where, wish)
	return err
}

// unwatched is when an application looks again by itself; 0 for one that is told.
func (r *Reconciler) unwatched(app *v1alpha1.Application) time.Duration {
	if r.watcher == nil || r.watcher.Watches(types.NamespacedName{Namespace: app.Namespace, Name: app.Name}) {
		return 0
	}
	return unwatchedEvery
}
