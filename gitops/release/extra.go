package release

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// part divides an inventory into what a set has, in the order of the set, and what left.
func part(inventory []v1alpha1.ObjectReference, objects []*unstructured.Unstructured) (has, gone []v1alpha1.ObjectReference) {
	set := apply.Inventory(objects)
	gone = apply.Minus(inventory, set)
	known := apply.Minus(inventory, gone)
	for _, ref := range set {
		for _, k := range known {
			if apply.Same(k, ref) {
				ref.Owned, ref.Applied = k.Owned, k.Applied
			}
		}
		has = append(has, ref)
	}
	return has, gone
}

// prune deletes what left the set, unless the application or the one who asked for this
// release wants it kept. It returns what is still there and why.
func (r *Reconciler) prune(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, gone []v1alpha1.ObjectReference) ([]v1alpha1.ObjectReference, error) {
	if len(gone) == 0 {
		return nil, nil
	}
	why := apply.Left
	switch {
	case keepsExtra(app, rel):
		why = apply.Kept
	case app.Spec.ConfirmPrune != app.Status.ConfirmedPrune:
		why = apply.Confirmed
	}
	extra, err := r.Applier.Prune(ctx, r.target(app, app.Status.Current), gone, why)
	if err == nil && why == apply.Confirmed {
		app.Status.ConfirmedPrune = app.Spec.ConfirmPrune
	}
	return extra, err
}

// agreed notes that what a person agreed to prune was pruned, if there was anything: the
// word is not for what leaves the set another time.
func agreed(app *v1alpha1.Application) { app.Status.ConfirmedPrune = app.Spec.ConfirmPrune }

// keepsExtra says whether nothing is pruned now.
func keepsExtra(app *v1alpha1.Application, rel *v1alpha1.Release) bool {
	if o := app.Spec.SyncOptions; o != nil && o.Prune != nil && !*o.Prune {
		return true
	}
	return rel != nil && rel.Spec.Desired.Sync != nil && rel.Spec.Desired.Sync.KeepExtra && app.Spec.ConfirmPrune == app.Status.ConfirmedPrune
}

// pruneAgain looks again at what left the set and is still there, when that may have
// changed: a person agreed, or the application prunes by now.
func (r *Reconciler) pruneAgain(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, refs []v1alpha1.ObjectReference) ([]v1alpha1.ObjectReference, error) {
	var stays, gone []v1alpha1.ObjectReference
	off := keepsExtra(app, rel)
	confirmed := app.Spec.ConfirmPrune != app.Status.ConfirmedPrune
	for _, ref := range refs {
		switch {
		case ref.Extra == "", off, ref.Extra == apply.ExtraConfirm && !confirmed:
			stays = append(stays, ref)
		default:
			gone = append(gone, ref)
		}
	}
	if len(gone) == 0 {
		return refs, nil
	}
	extra, err := r.prune(ctx, app, rel, gone)
	if err != nil {
		return refs, err
	}
	if len(extra) < len(gone) {
		r.event(app, corev1.EventTypeNormal, "Pruned", "%d objects that left the set are pruned", len(gone)-len(extra))
	}
	return append(stays, extra...), nil
}

// pruneHooks deletes the objects of hooks that the set does not have any more.
func (r *Reconciler) pruneHooks(ctx context.Context, app *v1alpha1.Application, plan *apply.Plan) error {
	if len(app.Status.Hooks) == 0 {
		return nil
	}
	var now []v1alpha1.ObjectReference
	for _, h := range plan.Hooks() {
		now = append(now, h.Reference())
	}
	gone := apply.Minus(app.Status.Hooks, now)
	if len(gone) == 0 {
		return nil
	}
	if _, err := r.Applier.Prune(ctx, r.target(app, app.Status.Current), gone, apply.Confirmed); err != nil {
		return err
	}
	app.Status.Hooks = apply.Minus(app.Status.Hooks, gone)
	return nil
}

// remains says whether a release that is applied and healthy leaves something to wish:
// only a part of it was asked for, or what left the set is still there.
func remains(rel *v1alpha1.Release, inventory []v1alpha1.ObjectReference, sync, message string) (string, string) {
	if sync != "Synced" {
		return sync, message
	}
	var notes []string
	if rel != nil && rel.Spec.Desired.Sync != nil && len(rel.Spec.Desired.Sync.Only) > 0 {
		notes = append(notes, fmt.Sprintf("release %d has only %s of commit %.12s; sync without --only for the rest",
			rel.Spec.Number, strings.Join(rel.Spec.Desired.Sync.Only, ", "), rel.Spec.Desired.Commit))
	}
	var kept, asks []string
	for _, ref := range inventory {
		switch ref.Extra {
		case apply.ExtraKept:
			kept = append(kept, apply.Title(ref))
		case apply.ExtraConfirm:
			asks = append(asks, apply.Title(ref))
		}
	}
	if len(kept) > 0 {
		notes = append(notes, "no longer in the set, and pruning is off: "+strings.Join(kept, ", "))
	}
	if len(asks) > 0 {
		notes = append(notes, "no longer in the set; `slipway app sync --prune` agrees to delete "+strings.Join(asks, ", "))
	}
	if len(notes) == 0 {
		return sync, message
	}
	if message != "" {
		notes = append(notes, message)
	}
	return "OutOfSync", oneLine(strings.Join(notes, "; "))
}

// overtake ends a release that something newer overtook, if it is not over.
func (r *Reconciler) overtake(ctx context.Context, app *v1alpha1.Application, last *v1alpha1.Release, why string) error {
	switch {
	case last == nil:
		return nil
	case !finished(last):
		return r.interrupt(ctx, app, last, why)
	case last.Status.Sync != nil && last.Status.Result == v1alpha1.ReleaseFailed && last.Status.FinishedAt == nil && last.Status.Sync.Phase != phaseSyncFailDone:
		if err := r.endHooks(ctx, app, last); err != nil {
			return r.trouble(ctx, app, err)
		}
		last.Status.Sync.Phase = phaseSyncFailDone
		return r.Client.Status().Update(ctx, last)
	}
	return nil
}
