package release

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/render"
)

// conditionApplied is True when every object of status.current was written. It is
// False from before the first is, so that a crash in between is seen.
const conditionApplied = "Applied"

// advance takes a progressing release further: checked, applied, then healthy,
// failed, or looked at again when something moves.
func (r *Reconciler) advance(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) (ctrl.Result, error) {
	if rel.Spec.Rendered == "" {
		_, err := r.render(ctx, app, rel.Spec.Desired)
		if err == nil || refusal(err) == "" {
			err = &apply.Refusal{Message: "the server stopped while this release was rendered; try again with `slipway app sync`"}
		}
		return r.fail(ctx, app, rel, refusal(err), nil)
	}
	set, err := r.load(ctx, app, rel)
	if err != nil {
		return r.late(ctx, app, rel, 0, err)
	}
	limit := deadline(app, set)
	if !applied(app, rel.Spec.Number) {
		if err := r.Applier.Check(ctx, target(app, rel.Spec.Number), set.Objects); err != nil {
			return r.late(ctx, app, rel, limit, err)
		}
		if err := r.apply(ctx, app, rel.Spec.Number, set); err != nil {
			return r.late(ctx, app, rel, limit, err)
		}
	}
	refs, err := r.Applier.Health(ctx, apply.Inventory(set.Objects))
	if err != nil {
		return ctrl.Result{}, err
	}
	health, message := apply.Summary(refs)
	if health == "Healthy" {
		return r.healthy(ctx, app, rel)
	}
	reason := ""
	if failed := apply.Failed(refs); failed != nil {
		reason = fmt.Sprintf("%s/%s: %s", failed.Kind, failed.Name, failed.Message)
	}
	if reason == "" {
		if reason, err = r.hopeless(ctx, app, rel); err != nil {
			return ctrl.Result{}, err
		}
	}
	left := limit - r.now().Sub(started(rel))
	if reason == "" && left <= 0 {
		reason = fmt.Sprintf("not healthy within %s: %s", limit, message)
	}
	if reason != "" {
		return r.fail(ctx, app, rel, reason, refs)
	}
	text := fmt.Sprintf("release %d is rolling out: %s", rel.Spec.Number, message)
	if err := r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
		s.Health, s.Sync, s.Message = "Progressing", "OutOfSync", oneLine(text)
	}); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: min(left, backstop)}, nil
}

// late decides about an error on the way to applied: a fault of the set fails the
// release at once, one of the moment when its time is up.
func (r *Reconciler) late(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, limit time.Duration, err error) (ctrl.Result, error) {
	if text := refusal(err); text != "" {
		return r.fail(ctx, app, rel, text, nil)
	}
	if limit == 0 {
		limit = deadline(app, nil)
	}
	if r.now().Sub(started(rel)) > limit && ctx.Err() == nil {
		return r.fail(ctx, app, rel, fmt.Sprintf("not applied within %s: %v", limit, err), nil)
	}
	return ctrl.Result{}, r.trouble(ctx, app, err)
}

// apply writes down what it is about to do, does it, and writes down that it did.
func (r *Reconciler) apply(ctx context.Context, app *v1alpha1.Application, n int64, set *render.Set) error {
	if applied(app, n) {
		return nil
	}
	app.Status.Inventory = apply.Union(app.Status.Inventory, apply.Inventory(set.Objects))
	app.Status.Current = n
	condition := metav1.Condition{Type: conditionApplied, Status: metav1.ConditionFalse, Reason: "Applying",
		Message: fmt.Sprintf("release %d is being applied", n), ObservedGeneration: app.Generation}
	meta.SetStatusCondition(&app.Status.Conditions, condition)
	if err := r.Client.Status().Update(ctx, app); err != nil {
		return err
	}
	if err := r.Applier.Apply(ctx, target(app, n), set.Objects); err != nil {
		return err
	}
	condition.Status, condition.Reason = metav1.ConditionTrue, "Applied"
	condition.Message = fmt.Sprintf("release %d is applied", n)
	meta.SetStatusCondition(&app.Status.Conditions, condition)
	return r.Client.Status().Update(ctx, app)
}

// applied says whether release n is what is applied, completely.
func applied(app *v1alpha1.Application, n int64) bool {
	return app.Status.Current == n && meta.IsStatusConditionTrue(app.Status.Conditions, conditionApplied)
}

// healthy records the success; activate then keeps the set for the day it is put
// back, and prunes what the new set no longer has.
func (r *Reconciler) healthy(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) (ctrl.Result, error) {
	rel.Status.Result, rel.Status.Reason, rel.Status.FinishedAt = v1alpha1.ReleaseHealthy, "", r.stamp()
	if err := r.Client.Status().Update(ctx, rel); err != nil {
		return ctrl.Result{}, err
	}
	r.Metrics.finished(app, rel)
	r.commitToHealthy(ctx, app, rel)
	r.event(app, corev1.EventTypeNormal, "ReleaseHealthy", "release %d is healthy after %s", rel.Spec.Number,
		rel.Status.FinishedAt.Sub(started(rel)).Round(time.Millisecond))
	return r.activate(ctx, app, rel, "Synced", "")
}

func (r *Reconciler) commitToHealthy(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) {
	_, _, at, err := r.Source.Commit(ctx, app.Namespace, app.Spec.Source.Repository, rel.Spec.Desired.Commit)
	if err == nil && !at.IsZero() {
		r.Metrics.committed(app, rel.Status.FinishedAt.Sub(at))
	}
}

// settled says whether release n is applied, was healthy, and has been pruned for.
func settled(app *v1alpha1.Application, n int64) bool {
	c := meta.FindStatusCondition(app.Status.Conditions, conditionApplied)
	return applied(app, n) && c.Reason == "Settled"
}

func settle(app *v1alpha1.Application, n int64) {
	meta.SetStatusCondition(&app.Status.Conditions, metav1.Condition{Type: conditionApplied, Status: metav1.ConditionTrue,
		Reason: "Settled", Message: fmt.Sprintf("release %d is applied and became healthy", n), ObservedGeneration: app.Generation})
}

// deadline for one release: what its objects ask for, else the application's.
func deadline(app *v1alpha1.Application, set *render.Set) time.Duration {
	if set != nil {
		if d := apply.Deadline(set.Objects); d > 0 {
			return d
		}
	}
	if app.Spec.HealthDeadline != nil && app.Spec.HealthDeadline.Duration > 0 {
		return app.Spec.HealthDeadline.Duration
	}
	return defaultDeadline
}

func started(rel *v1alpha1.Release) time.Time {
	if rel.Status.StartedAt != nil {
		return rel.Status.StartedAt.Time
	}
	return rel.CreationTimestamp.Time
}

// show updates the status if the change is one.
func (r *Reconciler) show(ctx context.Context, app *v1alpha1.Application, change func(*v1alpha1.ApplicationStatus)) error {
	before := app.Status.DeepCopy()
	change(&app.Status)
	if reflect.DeepEqual(before, &app.Status) {
		return nil
	}
	return r.Client.Status().Update(ctx, app)
}

// oneLine shortens a text to one line that fits a status.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 1000 {
		s = strings.ToValidUTF8(s[:1000], "") + "…"
	}
	return s
}
