// Package changes owns the stream of changes of a namespace that the console and the verbs
// follow, out of the informers that the server has anyway. It reads nothing from the
// apiserver and decides nothing about who may see what: server/api does. Start at Watcher.
package changes

import (
	"context"
	"errors"
	"slices"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/api"
)

// Watcher tells the changes of a namespace from the manager's cache.
type Watcher struct{ Cache cache.Cache }

var _ api.Watcher = Watcher{}

// backlog is how many changes a slow reader may be behind before it is cut off;
// it comes back and gets the objects as they are.
const backlog = 4096

// Watch satisfies api.Watcher.
func (w Watcher) Watch(ctx context.Context, namespace string, what api.Watching) (<-chan api.Change, error) {
	ctx, cancel := context.WithCancel(ctx)
	raw := make(chan api.Change, backlog)
	send := func(kind, typ string, v any, first bool) {
		o, ok := v.(client.Object)
		if !ok || o.GetNamespace() != namespace || first && what.News || what.Name != "" && o.GetName() != what.Name {
			return
		}
		if first {
			// Any number of them: they wait for the reader.
			select {
			case raw <- api.Change{Kind: kind, Type: typ, Object: o}:
			case <-ctx.Done():
			}
			return
		}
		select {
		case raw <- api.Change{Kind: kind, Type: typ, Object: o}:
		case <-ctx.Done():
		default:
			cancel()
		}
	}
	var handles []func() error
	stop := func() error {
		var errs []error
		for _, h := range handles {
			errs = append(errs, h())
		}
		return errors.Join(errs...)
	}
	for kind, o := range map[string]client.Object{
		"Repository": &slipway.Repository{}, "Run": &slipway.Run{}, "Application": &slipway.Application{}, "Release": &slipway.Release{},
		"Environment": &slipway.Environment{}, "Promotion": &slipway.Promotion{}, "ApplicationSet": &slipway.ApplicationSet{},
	} {
		if len(what.Kinds) > 0 && !slices.Contains(what.Kinds, kind) {
			continue
		}
		informer, err := w.Cache.GetInformer(ctx, o)
		if err == nil {
			var h toolscache.ResourceEventHandlerRegistration
			h, err = informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
				AddFunc:    func(v any, first bool) { send(kind, "ADDED", v, first) },
				UpdateFunc: func(_, v any) { send(kind, "MODIFIED", v, false) },
				DeleteFunc: func(v any) {
					if gone, ok := v.(toolscache.DeletedFinalStateUnknown); ok {
						v = gone.Obj
					}
					if o, ok := v.(client.Object); ok && o.GetAnnotations()[slipway.AnnotationArchived] != "" {
						return // a run that moved to the archive
					}
					send(kind, "DELETED", v, false)
				},
			})
			handles = append(handles, func() error { return informer.RemoveEventHandler(h) })
		}
		if err != nil {
			cancel()
			return nil, errors.Join(err, stop())
		}
	}
	out := make(chan api.Change)
	go func() {
		defer close(out)
		defer func() { _ = stop() }()
		defer cancel()
		for {
			select {
			case <-ctx.Done():
				return
			case c := <-raw:
				select {
				case out <- c:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out, nil
}
