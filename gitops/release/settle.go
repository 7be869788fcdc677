package release

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// activate makes a release that was applied before the current one again (a pin,
// its end, or simply the end of a rollout) and finishes it: prune, then status. For
// the release that runs already it only looks.
func (r *Reconciler) activate(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, sync, message string) (ctrl.Result, error) {
	return r.activateWith(ctx, app, rel, &looked{}, sync, message)
}

// activateWith is activate with what was just seen of the release.
func (r *Reconciler) activateWith(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, known *looked, sync, message string) (ctrl.Result, error) {
	n := rel.Spec.Number
	if settled(app, n) {
		return r.observeOf(ctx, app, rel, sync, message)
	}
	set := known.set
	if set == nil {
		var err error
		if set, err = r.load(ctx, app, rel); err != nil {
			return ctrl.Result{}, r.trouble(ctx, app, err)
		}
	}
	// All at once and without hooks: it was healthy before, and its hooks have run.
	plan := apply.PlanAgain(set.Objects, n)
	if !applied(app, n) {
		t, err := r.targetOf(ctx, app, n, plan)
		if err != nil {
			return ctrl.Result{}, r.trouble(ctx, app, err)
		}
		if _, err := r.Applier.Check(ctx, t, plan.Objects()); err != nil {
			return r.stuck(ctx, app, n, err)
		}
		if err := r.apply(ctx, app, n, plan, false); err != nil {
			return r.stuck(ctx, app, n, err)
		}
		if sync == "Pinned" {
			r.event(app, corev1.EventTypeNormal, "Pinned", "release %d is held", n)
		}
	}
	if err := r.want(ctx, app, nil); err != nil {
		return ctrl.Result{}, r.trouble(ctx, app, err)
	}
	inventory, gone := part(app.Status.Inventory, plan.Objects())
	refs, err := known.health(inventory), error(nil)
	if refs == nil {
		if refs, _, err = r.Applier.Health(ctx, r.target(app, n), inventory); err != nil {
			return ctrl.Result{}, r.trouble(ctx, app, err)
		}
	}
	health, why := apply.Summary(refs)
	if health != "Healthy" {
		err := r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
			s.Health, s.Sync, s.Message = health, sync, oneLine(fmt.Sprintf("release %d: %s", n, why))
		})
		return ctrl.Result{RequeueAfter: backstop}, err
	}
	extra, err := r.prune(ctx, app, rel, gone)
	if err != nil {
		return ctrl.Result{}, r.trouble(ctx, app, err)
	}
	if err := r.pruneHooks(ctx, app, plan); err != nil {
		return ctrl.Result{}, r.trouble(ctx, app, err)
	}
	if err := r.refer(ctx, app, n, plan); err != nil {
		return ctrl.Result{}, r.trouble(ctx, app, err)
	}
	// A pin does not make its release the last healthy one: what is put back after
	// the pin's end is what became healthy last.
	if sync != "Pinned" {
		app.Status.Healthy = n
		if err := r.Store.Keep(ctx, app, n, set); err != nil {
			r.Log.Warn("last healthy set is kept in the artifact store only", "application", app.Name, "namespace", app.Namespace, "error", err)
		}
	}
	app.Status.Inventory = append(refs, extra...)
	if sync != "Pinned" {
		forgive(app, rel)
		agreed(app)
	}
	settle(app, n)
	sync, message = remains(rel, app.Status.Inventory, sync, message)
	app.Status.Drift = nil
	drifts(app)
	app.Status.Sync, app.Status.Health, app.Status.Message = sync, health, message
	if len(app.Status.Addresses) > 0 || apply.Exposed(set.Objects) {
		if app.Status.Addresses, err = r.Applier.Addresses(ctx, r.target(app, n), refs); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{RequeueAfter: r.unwatched(app)}, r.Client.Status().Update(ctx, app)
}

// health of an inventory as it was seen; nil if that is not known of all of it.
func (l *looked) health(inventory []v1alpha1.ObjectReference) []v1alpha1.ObjectReference {
	var out []v1alpha1.ObjectReference
	for _, ref := range inventory {
		i := slices.IndexFunc(l.refs, func(seen v1alpha1.ObjectReference) bool { return apply.Same(seen, ref) })
		if i < 0 {
			return nil
		}
		ref.Health, ref.Message = l.refs[i].Health, l.refs[i].Message
		out = append(out, ref)
	}
	return out
}

// stuck shows why a release that a person asked for cannot be applied.
func (r *Reconciler) stuck(ctx context.Context, app *v1alpha1.Application, n int64, err error) (ctrl.Result, error) {
	text := refusal(err)
	if text == "" {
		return ctrl.Result{}, r.trouble(ctx, app, err)
	}
	result := ctrl.Result{}
	if unreached(app, err) {
		result.RequeueAfter = lookAgain // a Secret that is put right is no event of this application
	}
	return result, r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
		s.Sync, s.Message = "Failed", oneLine(fmt.Sprintf("release %d cannot be applied: %s", n, text))
	})
}

// hold keeps the pinned release, whatever is desired.
func (r *Reconciler) hold(ctx context.Context, app *v1alpha1.Application, last *v1alpha1.Release) (ctrl.Result, error) {
	n := app.Spec.Pin
	rel, err := r.release(ctx, app, n)
	if err != nil {
		return ctrl.Result{}, err
	}
	if rel == nil || rel.Spec.Rendered == "" {
		return r.observe(ctx, app, "Failed", fmt.Sprintf("release %d cannot be pinned: it does not exist or was never rendered; see `slipway app history %s`", n, app.Name))
	}
	if err := r.overtake(ctx, app, last, fmt.Sprintf("release %d was pinned", n)); err != nil {
		return ctrl.Result{}, err
	}
	return r.activate(ctx, app, rel, "Pinned", pinText(app))
}

// pinText says by whom a release is held, and what waits for the end of that.
func pinText(app *v1alpha1.Application) string {
	text := fmt.Sprintf("release %d is pinned", app.Spec.Pin)
	if app.Spec.PinnedBy != "" {
		text += " by " + app.Spec.PinnedBy
	}
	if app.Spec.Desired != nil {
		text += fmt.Sprintf("; commit %.12s is desired after `slipway app unpin %s`", app.Spec.Desired.Commit, app.Name)
	}
	return text
}

// fail records why, with evidence gathered before anything is undone, and then
// puts the last healthy release back.
func (r *Reconciler) fail(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, reason string, refs []v1alpha1.ObjectReference) (ctrl.Result, error) {
	changed := app.Status.Current == rel.Spec.Number
	var evidence []v1alpha1.Evidence
	if changed || rel.Status.Sync != nil {
		evidence, reason = r.evidence(ctx, app, rel, reason, refs)
	}
	masks, err := r.masksOf(ctx, app)
	if err != nil && app.Spec.Cluster != nil {
		masks, err = r.masks(ctx, app.Namespace) // the reason may be that the other cluster is away
	}
	if err == nil {
		reason = masks.hide(reason)
	} else {
		r.Log.Warn("reason of a release is left out: secrets cannot be read to mask it", "application", app.Name, "error", err)
		reason = "see the events of the objects (the reason could not be checked for secrets)"
	}
	rel.Status.Result, rel.Status.Reason = v1alpha1.ReleaseFailed, oneLine(reason)
	rel.Status.Evidence = evidence
	if changed && app.Status.Healthy > 0 {
		rel.Status.RolledBackTo = app.Status.Healthy
	}
	if err := r.Client.Status().Update(ctx, rel); err != nil {
		return ctrl.Result{}, err
	}
	r.event(app, corev1.EventTypeWarning, "ReleaseFailed", "release %d: %s", rel.Spec.Number, rel.Status.Reason)
	return r.putBack(ctx, app, rel)
}

// putBack returns to the last healthy release after rel failed. Claims, CRDs and
// namespaces that the failed one brought stay.
func (r *Reconciler) putBack(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) (ctrl.Result, error) {
	if app.Status.Refused == nil || !same(*app.Status.Refused, rel.Spec.Desired) {
		if err := r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
			s.Refused, s.RefusedRetry = rel.Spec.Desired.DeepCopy(), app.Spec.Retry
		}); err != nil {
			return ctrl.Result{}, err
		}
	}
	if result, done, err := r.aftermath(ctx, app, rel); !done || err != nil {
		return result, err
	}
	if result, done, err := r.restore(ctx, app); !done {
		return result, err
	}
	result, err := r.observe(ctx, app, "Failed", failedText(app, rel))
	if err != nil || rel.Status.FinishedAt != nil {
		return result, err
	}
	rel.Status.FinishedAt = r.stamp()
	if err := r.Client.Status().Update(ctx, rel); err != nil {
		return ctrl.Result{}, err
	}
	r.Metrics.finished(app, rel)
	return result, nil
}

// failedText says that a release failed, what runs now and what happens next.
func failedText(app *v1alpha1.Application, rel *v1alpha1.Release) string {
	text := fmt.Sprintf("release %d failed: %s", rel.Spec.Number, rel.Status.Reason)
	if back := app.Status.Healthy; back > 0 {
		text = fmt.Sprintf("release %d failed, release %d runs: %s", rel.Spec.Number, back, rel.Status.Reason)
	}
	if rel.Status.Unreached > 0 {
		text += "; it is tried again by itself when the cluster answers"
	}
	return text
}

// restore applies the last healthy release if something else is applied; there is
// nothing to do before the first one. It is done when observe may follow.
func (r *Reconciler) restore(ctx context.Context, app *v1alpha1.Application) (result ctrl.Result, done bool, err error) {
	back := app.Status.Healthy
	if back == 0 || settled(app, back) {
		return ctrl.Result{}, true, nil
	}
	healthy, err := r.release(ctx, app, back)
	if err != nil {
		return ctrl.Result{}, false, err
	}
	set, err := r.Store.LastHealthy(ctx, app, back)
	if err != nil && healthy != nil {
		set, err = r.load(ctx, app, healthy)
	}
	if err != nil {
		return ctrl.Result{}, false, r.trouble(ctx, app, fmt.Errorf("release %d cannot be put back: %w", back, err))
	}
	plan := apply.PlanAgain(set.Objects, back)
	if err := r.apply(ctx, app, back, plan, true); err != nil {
		result, err = r.stuck(ctx, app, back, err)
		return result, false, err
	}
	inventory, gone := part(app.Status.Inventory, plan.Objects())
	extra, err := r.prune(ctx, app, healthy, gone)
	if err != nil {
		return ctrl.Result{}, false, r.trouble(ctx, app, err)
	}
	app.Status.Inventory = append(inventory, extra...)
	app.Status.Drift = nil
	if err := r.refer(ctx, app, back, plan); err != nil {
		return ctrl.Result{}, false, r.trouble(ctx, app, err)
	}
	settle(app, back)
	if err := r.Client.Status().Update(ctx, app); err != nil {
		return ctrl.Result{}, false, err
	}
	r.event(app, corev1.EventTypeNormal, "RolledBack", "release %d is back", back)
	return ctrl.Result{}, true, nil
}
