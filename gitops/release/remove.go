package release

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// orphan is the value of spec.deletion that leaves the objects.
const orphan = "orphan"

// remove prunes a deleted application's objects and hooks, or lets go of them. Claims
// stay. Nothing is waited for but hooks around it: what takes its time to go does so by
// itself.
func (r *Reconciler) remove(ctx context.Context, app *v1alpha1.Application) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(app, finalizer) {
		return ctrl.Result{}, nil
	}
	if app.Spec.Deletion != orphan && app.Status.DeletionHooks {
		if result, done, err := r.depart(ctx, app); !done || err != nil {
			return result, err
		}
	} else if err := r.takeDown(ctx, app); err != nil {
		return ctrl.Result{}, err
	}
	r.Metrics.forget(app)
	r.laps.forget(types.NamespacedName{Namespace: app.Namespace, Name: app.Name})
	if r.watcher != nil {
		r.watcher.Forget(types.NamespacedName{Namespace: app.Namespace, Name: app.Name})
	}
	r.sayGone(ctx, app)
	r.forgetSets(ctx, app)
	controllerutil.RemoveFinalizer(app, finalizer)
	return ctrl.Result{}, client.IgnoreNotFound(r.Client.Update(ctx, app))
}

// takeDown prunes what the application applied, or lets go of it.
func (r *Reconciler) takeDown(ctx context.Context, app *v1alpha1.Application) (err error) {
	t := r.target(app, 0)
	if app.Spec.Deletion == orphan {
		if err = r.Applier.Orphan(ctx, t, append(append([]v1alpha1.ObjectReference{}, app.Status.Inventory...), app.Status.Hooks...)); err != nil && app.Spec.Cluster != nil {
			// Nothing is left to do in a cluster that cannot be reached any more.
			r.Log.Warn("objects elsewhere keep their labels", "namespace", app.Namespace, "application", app.Name, "error", err)
			err = nil
		}
	} else {
		_, err = r.Applier.Prune(ctx, t, append(append([]v1alpha1.ObjectReference{}, app.Status.Hooks...), app.Status.Inventory...), apply.Deleted)
		if err != nil && app.Spec.Cluster != nil {
			err = fmt.Errorf("%w; to leave the objects there, set spec.deletion to orphan", err)
		}
	}
	// A namespace that is going takes the deployer's rights, and then the objects.
	if err != nil && (app.Spec.Cluster != nil || !apierrors.IsForbidden(err)) {
		return r.trouble(ctx, app, fmt.Errorf("deleting: %w", err))
	}
	return nil
}

// Delete deletes an application, with its objects or without; nil is as its spec says.
func (r *Reconciler) Delete(ctx context.Context, namespace, application string, cascade *bool, by string) error {
	app := &v1alpha1.Application{}
	if err := r.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app); err != nil {
		return err
	}
	if cascade != nil {
		want := "prune"
		if !*cascade {
			want = orphan
		}
		if err := r.change(ctx, namespace, application, func(a *v1alpha1.Application) error { a.Spec.Deletion = want; return nil }); err != nil {
			return err
		}
		r.event(app, corev1.EventTypeNormal, "Deleting", "by %s, objects: %s", by, want)
	}
	return r.Client.Delete(ctx, app, client.Preconditions{UID: &app.UID})
}
