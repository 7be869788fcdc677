package release

import (
	"context"
	"fmt"
	"reflect"
	"slices"
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
	if rel.Status.Result == "" {
		// The server stopped in the first moment of it.
		began := metav1.NewMicroTime(rel.CreationTimestamp.Time)
		rel.Status.Result, rel.Status.StartedAt = v1alpha1.ReleaseProgressing, &began
		if err := r.Client.Status().Update(ctx, rel); err != nil {
			return ctrl.Result{}, err
		}
	}
	return r.advanceWith(ctx, app, rel, nil)
}

// advanceWith is advance with the set of the release where it is at hand.
func (r *Reconciler) advanceWith(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, set *render.Set) (ctrl.Result, error) {
	if rel.Spec.Rendered == "" {
		_, err := r.render(ctx, app, rel.Spec.Desired)
		if err == nil || refusal(err) == "" {
			err = &apply.Refusal{Message: "the server stopped while this release was rendered; try again with `slipway app sync`"}
		}
		return r.fail(ctx, app, rel, refusal(err), nil)
	}
	var err error
	if set == nil {
		set, err = r.load(ctx, app, rel)
	}
	if err != nil && applied(app, rel.Spec.Number) {
		return r.unread(ctx, app, rel, err)
	}
	if err != nil {
		return r.late(ctx, app, rel, 0, err)
	}
	n, limit := rel.Spec.Number, deadline(app, set)
	plan, err := r.plan(rel, set)
	if err != nil {
		return r.late(ctx, app, rel, limit, err)
	}
	if !applied(app, n) && rel.Status.Sync == nil {
		if err := r.check(ctx, app, rel, plan); err != nil {
			return r.late(ctx, app, rel, limit, err)
		}
	}
	before, fresh := app.Status.DeepCopy(), !applied(app, n)
	if plan.Simple() {
		// That it was applied is written down with how it is then.
		if err := r.applySteps(ctx, app, n, plan, false); err != nil {
			return r.late(ctx, app, rel, limit, err)
		}
	} else if result, done, err := r.roll(ctx, app, rel, plan, limit); !done {
		return result, err
	}
	var refs []v1alpha1.ObjectReference
	if fresh && plan.Simple() {
		refs = r.observed(ctx, app, n, (&looked{refs: app.Status.Inventory}).health(apply.Inventory(plan.Objects())))
	}
	if refs == nil || slices.ContainsFunc(refs, func(ref v1alpha1.ObjectReference) bool { return ref.Health == "" }) {
		refs, _, err = r.Applier.Health(ctx, r.target(app, n), apply.Inventory(plan.Objects()))
	}
	if err != nil {
		if err := r.showSince(ctx, app, before, func(*v1alpha1.ApplicationStatus) {}); err != nil {
			return ctrl.Result{}, err
		}
		return r.blind(ctx, app, rel, err)
	}
	if health, _ := apply.Summary(refs); health == "Healthy" {
		return r.healthy(ctx, app, rel, &looked{set: set, refs: refs})
	}
	if !reflect.DeepEqual(before, &app.Status) {
		app.Status.Message = "" // so that it is written, whatever it says now
	}
	if left := limit - r.took(app, rel, limit); fresh && plan.Simple() && left > 0 && apply.Failed(refs) == nil {
		// What pods say is of before; there is an event for what they say next.
		_, message := apply.Summary(refs)
		return r.rolling(ctx, app, rel, left, message)
	}
	return r.unhealthy(ctx, app, rel, limit, refs, "")
}

// unread judges a release that is applied and whose set cannot be read now: what fails is
// put back all the same, and what is healthy waits for its set, without a deadline.
func (r *Reconciler) unread(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, cause error) (ctrl.Result, error) {
	refs, _, err := r.Applier.Health(ctx, r.target(app, rel.Spec.Number), app.Status.Inventory)
	if err != nil {
		return r.blind(ctx, app, rel, err)
	}
	if health, _ := apply.Summary(refs); health == "Healthy" {
		return ctrl.Result{}, r.trouble(ctx, app, cause)
	}
	return r.unhealthy(ctx, app, rel, deadline(app, nil), refs, "")
}

// unhealthy decides about a rollout that is not healthy yet: it has failed, or it is
// looked at again when something moves. step says where it is, for those that have steps.
func (r *Reconciler) unhealthy(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, limit time.Duration, refs []v1alpha1.ObjectReference, step string) (ctrl.Result, error) {
	_, message := apply.Summary(refs)
	reason := ""
	if failed := apply.Failed(refs); failed != nil {
		reason = fmt.Sprintf("%s/%s: %s", failed.Kind, failed.Name, failed.Message)
	}
	if reason == "" {
		var err error
		if reason, err = r.hopeless(ctx, app, rel); err != nil {
			return ctrl.Result{}, err
		}
	}
	left := limit - r.took(app, rel, limit)
	if reason == "" && left <= 0 {
		reason = fmt.Sprintf("not healthy within %s: %s", limit, message)
	}
	if reason != "" {
		return r.fail(ctx, app, rel, reason, refs)
	}
	return r.rolling(ctx, app, rel, left, step+message)
}

// rolling shows where a rollout is, and looks again when its time is up at the latest.
func (r *Reconciler) rolling(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, left time.Duration, message string) (ctrl.Result, error) {
	text := fmt.Sprintf("release %d is rolling out: %s", rel.Spec.Number, message)
	err := r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
		s.Health, s.Sync, s.Message = "Progressing", "OutOfSync", oneLine(text)
	})
	return ctrl.Result{RequeueAfter: max(min(left, backstop), 10*time.Millisecond)}, err
}

// late decides about an error on the way to applied: a fault of the set fails the
// release at once, one of the moment when its time is up.
func (r *Reconciler) late(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, limit time.Duration, err error) (ctrl.Result, error) {
	if text := refusal(err); text != "" {
		return r.gaveUp(ctx, app, rel, text, err)
	}
	if limit == 0 {
		limit = deadline(app, nil)
	}
	if r.took(app, rel, limit) > limit && ctx.Err() == nil {
		return r.gaveUp(ctx, app, rel, fmt.Sprintf("not applied within %s: %v", limit, err), err)
	}
	return ctrl.Result{}, r.trouble(ctx, app, err)
}

// blind is about not seeing how a release is. That alone does not fail it: what cannot
// be seen may well be healthy.
func (r *Reconciler) blind(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, err error) (ctrl.Result, error) {
	if text := refusal(err); text != "" {
		return r.gaveUp(ctx, app, rel, text, err)
	}
	return ctrl.Result{}, r.trouble(ctx, app, err)
}

// plan of a release: its hooks run once, and not for a part of it.
func (r *Reconciler) plan(rel *v1alpha1.Release, set *render.Set) (*apply.Plan, error) {
	part := rel.Spec.Desired.Sync
	return apply.NewPlan(set.Objects, rel.Spec.Number, part == nil || len(part.Only) == 0)
}

// check asks about everything before anything changes, and tells whose fields are taken.
func (r *Reconciler) check(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, plan *apply.Plan) error {
	t, err := r.targetOf(ctx, app, rel.Spec.Number, plan)
	if err != nil {
		return err
	}
	taken, err := r.Applier.Check(ctx, t, plan.All())
	if err != nil || len(taken) == 0 || len(rel.Status.Conflicts) > 0 {
		return err
	}
	rel.Status.Conflicts = taken[:min(len(taken), maxConflicts)]
	r.event(app, corev1.EventTypeNormal, "FieldsTaken", "release %d takes fields from others: %s", rel.Spec.Number, apply.Describe(taken))
	return r.Client.Status().Update(ctx, rel)
}

// maxConflicts are kept with a release.
const maxConflicts = 50

// apply writes down what it is about to do, does it, and writes down that it did. To put
// something back it takes what it needs from whoever has it.
func (r *Reconciler) apply(ctx context.Context, app *v1alpha1.Application, n int64, plan *apply.Plan, putBack bool) error {
	if applied(app, n) {
		return nil
	}
	if err := r.applySteps(ctx, app, n, plan, putBack); err != nil {
		return err
	}
	return r.Client.Status().Update(ctx, app)
}

// applySteps is apply, but for writing down that it was done.
func (r *Reconciler) applySteps(ctx context.Context, app *v1alpha1.Application, n int64, plan *apply.Plan, putBack bool) error {
	if applied(app, n) {
		return nil
	}
	if err := r.applying(ctx, app, n, plan); err != nil {
		return err
	}
	for _, step := range plan.Steps {
		if err := r.write(ctx, app, n, plan, step, putBack); err != nil {
			return err
		}
	}
	written(app, n)
	return nil
}

// applying writes down that release n is about to be the current one, before the first
// of its objects is.
func (r *Reconciler) applying(ctx context.Context, app *v1alpha1.Application, n int64, plan *apply.Plan) error {
	app.Status.Inventory = apply.Union(app.Status.Inventory, apply.Inventory(plan.Objects()))
	app.Status.Current = n
	app.Status.DeletionHooks = len(plan.Delete) > 0
	r.advise(app, plan.Objects())
	meta.SetStatusCondition(&app.Status.Conditions, metav1.Condition{Type: conditionApplied, Status: metav1.ConditionFalse, Reason: "Applying",
		Message: fmt.Sprintf("release %d is being applied", n), ObservedGeneration: app.Generation})
	if err := r.Client.Status().Update(ctx, app); err != nil {
		return err
	}
	return r.want(ctx, app, plan.Hooks())
}

// write applies the objects of one step and notes what is owned of them.
func (r *Reconciler) write(ctx context.Context, app *v1alpha1.Application, n int64, plan *apply.Plan, step apply.Step, take bool) error {
	if len(step.Objects) == 0 {
		return nil
	}
	t, err := r.targetOf(ctx, app, n, plan)
	if err != nil {
		return err
	}
	if take {
		t.Options.Conflicts = ""
	}
	refs, err := r.Applier.Apply(ctx, t, step.Objects)
	if err != nil {
		return err
	}
	app.Status.Inventory = apply.Record(app.Status.Inventory, refs)
	return nil
}

// written notes, without saving it, that all of release n was applied.
func written(app *v1alpha1.Application, n int64) {
	meta.SetStatusCondition(&app.Status.Conditions, metav1.Condition{Type: conditionApplied, Status: metav1.ConditionTrue, Reason: "Applied",
		Message: fmt.Sprintf("release %d is applied", n), ObservedGeneration: app.Generation})
}

// targetOf is target for writing a part of a plan: it knows the whole of it.
func (r *Reconciler) targetOf(ctx context.Context, app *v1alpha1.Application, n int64, plan *apply.Plan) (apply.Target, error) {
	t := r.target(app, n)
	if !t.Options.RestartOnConfigChange {
		return t, nil
	}
	seal, err := r.Store.Seal(ctx)
	if err != nil {
		return t, err
	}
	t.Set, t.Seal = plan.Objects(), seal
	return t, nil
}

// applied says whether release n is what is applied, completely.
func applied(app *v1alpha1.Application, n int64) bool {
	return app.Status.Current == n && meta.IsStatusConditionTrue(app.Status.Conditions, conditionApplied)
}

// looked is what is known of a release already: its set, and how its objects are.
type looked struct {
	set  *render.Set
	refs []v1alpha1.ObjectReference
}

// healthy records the success; activate then keeps the set for the day it is put
// back, and prunes what the new set no longer has.
func (r *Reconciler) healthy(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, known *looked) (ctrl.Result, error) {
	rel.Status.Result, rel.Status.Reason, rel.Status.FinishedAt = v1alpha1.ReleaseHealthy, "", r.stamp()
	if err := r.Client.Status().Update(ctx, rel); err != nil {
		return ctrl.Result{}, err
	}
	r.Metrics.finished(app, rel)
	r.commitToHealthy(ctx, app, rel)
	r.event(app, corev1.EventTypeNormal, "ReleaseHealthy", "release %d is healthy after %s", rel.Spec.Number,
		rel.Status.FinishedAt.Sub(started(rel)).Round(time.Millisecond))
	return r.activateWith(ctx, app, rel, known, "Synced", "")
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
	return r.showSince(ctx, app, app.Status.DeepCopy(), change)
}

// showSince updates the status if it is not as it was before.
func (r *Reconciler) showSince(ctx context.Context, app *v1alpha1.Application, before *v1alpha1.ApplicationStatus, change func(*v1alpha1.ApplicationStatus)) error {
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
