package release

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/render"
)

// observe refreshes the health of what is applied and, of what became healthy, sees to
// it that it stays as it was applied.
func (r *Reconciler) observe(ctx context.Context, app *v1alpha1.Application, sync, message string) (ctrl.Result, error) {
	return r.observeOf(ctx, app, nil, sync, message)
}

// observeOf is observe with the current release, where it was just read.
func (r *Reconciler) observeOf(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, sync, message string) (ctrl.Result, error) {
	n := app.Status.Current
	before := app.Status.DeepCopy()
	if err := r.want(ctx, app, nil); err != nil {
		return ctrl.Result{}, r.trouble(ctx, app, err)
	}
	t := r.target(app, n)
	refs, drifted, err := r.Applier.Health(ctx, t, app.Status.Inventory)
	if err != nil {
		return ctrl.Result{}, r.trouble(ctx, app, err)
	}
	var again time.Duration
	note := ""
	if n > 0 && settled(app, n) {
		if rel == nil {
			if rel, err = r.release(ctx, app, n); err != nil {
				return ctrl.Result{}, err
			}
		}
		if refs, err = r.pruneAgain(ctx, app, rel, refs); err != nil {
			return ctrl.Result{}, r.trouble(ctx, app, err)
		}
		if sync == "Synced" || sync == "Failed" {
			agreed(app)
		}
		keep := &keeper{r: r, app: app, n: n, rel: rel, refs: refs}
		again, err = keep.tend(ctx, drifted)
		text := refusal(err)
		if err != nil && text == "" {
			return ctrl.Result{}, r.trouble(ctx, app, err)
		}
		refs = keep.refs
		if note = drifts(app); text != "" {
			// Asking again does not help, and other things about it are still true.
			note, again = "it is not kept as it was applied: "+text, unwatchedEvery
		}
		sync, message = remains(rel, refs, sync, message)
	}
	addresses, err := r.Applier.Addresses(ctx, t, refs)
	if err != nil {
		return ctrl.Result{}, r.trouble(ctx, app, err)
	}
	health, why := apply.Summary(refs)
	if len(refs) == 0 {
		health, why = "Unknown", ""
	}
	if note != "" {
		if sync == "Synced" {
			sync = "OutOfSync"
		}
		if message != "" {
			note += "; " + message
		}
		message = note
	}
	switch {
	case message == "":
		message = why
	case sync == "Pinned" && why != "":
		message += "; " + why
	}
	err = r.showSince(ctx, app, before, func(s *v1alpha1.ApplicationStatus) {
		s.Inventory, s.Addresses = refs, addresses
		s.Sync, s.Health, s.Message = sync, health, oneLine(message)
	})
	result := ctrl.Result{RequeueAfter: r.unwatched(app)}
	if health == "Progressing" {
		result.RequeueAfter = sooner(result.RequeueAfter, backstop)
	}
	result.RequeueAfter = sooner(result.RequeueAfter, again)
	return result, err
}

// sooner of two times to look again; 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// setOf reads what is applied: the set that the cluster keeps, or the stored one.
func (r *Reconciler) setOf(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, n int64) (*render.Set, error) {
	if n == app.Status.Healthy {
		if set, err := r.Store.LastHealthy(ctx, app, n); err == nil {
			return set, nil
		}
	}
	if rel == nil {
		return nil, fmt.Errorf("release %d is gone", n)
	}
	return r.load(ctx, app, rel)
}

// refer notes which configuration outside the set its pods use, where they are to restart
// with it.
func (r *Reconciler) refer(ctx context.Context, app *v1alpha1.Application, n int64, plan *apply.Plan) error {
	t, err := r.targetOf(ctx, app, n, plan)
	if err != nil {
		return err
	}
	app.Status.References = nil
	if t.Seal == nil {
		return nil
	}
	if app.Status.References, err = r.Applier.References(ctx, t, plan.Objects()); err != nil {
		return err
	}
	return r.want(ctx, app, nil)
}

// keeper keeps the current release of an application as it was applied.
type keeper struct {
	r    *Reconciler
	app  *v1alpha1.Application
	n    int64
	rel  *v1alpha1.Release
	refs []v1alpha1.ObjectReference

	plan *apply.Plan
}

// load the set, when it turns out to be needed.
func (k *keeper) load(ctx context.Context) error {
	if k.plan != nil {
		return nil
	}
	set, err := k.r.setOf(ctx, k.app, k.rel, k.n)
	if err != nil {
		return err
	}
	k.plan = apply.PlanAgain(set.Objects, k.n)
	return nil
}

// tend restarts what reads changed configuration, and deals with drift. It says when to
// look again without being told to; 0 is never.
func (k *keeper) tend(ctx context.Context, drifted []v1alpha1.ObjectReference) (time.Duration, error) {
	if err := k.configuration(ctx); err != nil {
		return 0, err
	}
	seen := meta.FindStatusCondition(k.app.Status.Conditions, conditionApplied)
	asked := seen == nil || seen.ObservedGeneration != k.app.Generation ||
		slices.ContainsFunc(k.refs, func(r v1alpha1.ObjectReference) bool { return r.Owned == "" && r.Extra == "" })
	if asked {
		// What is left to others, or how, may be another by now, or it was applied before
		// anybody noted what is ours: look at all of it once.
		drifted = nil
		for _, ref := range k.refs {
			if ref.Extra == "" {
				drifted = append(drifted, ref)
			}
		}
	}
	again, err := k.drift(ctx, drifted)
	if err == nil && asked {
		settle(k.app, k.n)
	}
	return again, err
}

// configuration restarts pods when a ConfigMap or Secret outside of the set changed.
func (k *keeper) configuration(ctx context.Context) error {
	o := k.app.Spec.SyncOptions
	if o == nil || !o.RestartOnConfigChange || len(k.app.Status.References) == 0 {
		return nil
	}
	seal, err := k.r.Store.Seal(ctx)
	if err != nil {
		return err
	}
	t := k.r.target(k.app, k.n)
	t.Seal = seal
	changed, err := k.r.Applier.Changed(ctx, t, k.app.Status.References)
	if err != nil || !changed {
		return err
	}
	if err := k.load(ctx); err != nil {
		return err
	}
	if t, err = k.r.targetOf(ctx, k.app, k.n, k.plan); err != nil {
		return err
	}
	written, err := k.r.Applier.Apply(ctx, t, k.plan.Objects())
	if err != nil {
		return err
	}
	k.refs = replace(k.refs, written)
	if k.app.Status.References, err = k.r.Applier.References(ctx, t, k.plan.Objects()); err != nil {
		return err
	}
	k.r.event(k.app, corev1.EventTypeNormal, "ConfigChanged", "pods that use changed configuration restart")
	return nil
}

// replace what is owned of objects that were written again; their health is looked at
// when their controllers have seen to them.
func replace(refs, written []v1alpha1.ObjectReference) []v1alpha1.ObjectReference {
	out := append([]v1alpha1.ObjectReference(nil), refs...)
	for _, w := range written {
		for i := range out {
			if apply.Same(out[i], w) {
				out[i].Owned, out[i].Applied = w.Owned, w.Applied
			}
		}
	}
	return out
}
