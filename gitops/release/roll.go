package release

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// roll takes a release with waves or hooks as far as it goes now: it begins a step when
// the one before is healthy, and never waits for one. Where it is stands in the status of
// the release, written before what follows from it, so that a crash goes on there. It is
// done when every step was healthy.
func (r *Reconciler) roll(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, plan *apply.Plan, limit time.Duration) (result ctrl.Result, done bool, err error) {
	if rel.Status.Sync == nil {
		rel.Status.Sync = &v1alpha1.SyncProgress{}
	}
	n := rel.Spec.Number
	for i := position(plan, rel.Status.Sync); i < len(plan.Steps); i++ {
		step := plan.Steps[i]
		if err := r.enter(ctx, rel, step); err != nil {
			return ctrl.Result{}, false, err
		}
		if step.Phase == v1alpha1.PhaseSync && app.Status.Current != n {
			if err := r.applying(ctx, app, n, plan); err != nil {
				return ctrl.Result{}, false, err
			}
		}
		// Kinds that the step before defined can be watched now.
		if err := r.want(ctx, app, plan.Hooks()); err != nil {
			return ctrl.Result{}, false, r.trouble(ctx, app, err)
		}
		waits, failed, err := r.hooks(ctx, app, rel, plan, step)
		if err != nil {
			result, err = r.late(ctx, app, rel, limit, err)
			return result, false, err
		}
		if failed != "" {
			result, err = r.fail(ctx, app, rel, failed, nil)
			return result, false, err
		}
		if !rel.Status.Sync.Written {
			if err := r.write(ctx, app, n, plan, step, false); err != nil {
				result, err = r.late(ctx, app, rel, limit, err)
				return result, false, err
			}
			if err := r.wrote(ctx, app, rel, plan, i); err != nil {
				return ctrl.Result{}, false, err
			}
		}
		// What earlier waves brought must still be healthy.
		refs, _, err := r.Applier.Health(ctx, r.target(app, n), apply.Inventory(plan.Before(i)))
		if err != nil {
			result, err = r.blind(ctx, app, rel, err)
			return result, false, err
		}
		where := words(step)
		if health, _ := apply.Summary(refs); health != "Healthy" {
			result, err = r.unhealthy(ctx, app, rel, limit, refs, where+": ")
			return result, false, err
		}
		if waits != "" {
			result, err = r.patient(ctx, app, rel, limit, where+": "+waits)
			return result, false, err
		}
		if err := r.dropHooks(ctx, app, rel, step.Phase, step.Wave); err != nil {
			return ctrl.Result{}, false, r.trouble(ctx, app, err)
		}
	}
	return ctrl.Result{}, true, nil
}

// patient waits for hooks, until the step's time is up or their pods are hopeless.
func (r *Reconciler) patient(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, limit time.Duration, message string) (ctrl.Result, error) {
	reason, err := r.hopeless(ctx, app, rel)
	if err != nil {
		return ctrl.Result{}, err
	}
	left := limit - r.took(app, rel, limit)
	if reason == "" && left <= 0 {
		reason = fmt.Sprintf("not done within %s: %s", limit, message)
	}
	if reason != "" {
		return r.fail(ctx, app, rel, reason, nil)
	}
	return r.rolling(ctx, app, rel, left, message)
}

// wrote notes that the objects of step i were applied, and of the last such step that
// all of the release was.
func (r *Reconciler) wrote(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, plan *apply.Plan, i int) error {
	step, last := plan.Steps[i], true
	for _, later := range plan.Steps[i+1:] {
		last = last && later.Phase != v1alpha1.PhaseSync
	}
	last = last && step.Phase == v1alpha1.PhaseSync && !applied(app, rel.Spec.Number)
	if last {
		written(app, rel.Spec.Number)
	}
	if last || len(step.Objects) > 0 {
		if err := r.Client.Status().Update(ctx, app); err != nil {
			return err
		}
	}
	if len(step.Objects) == 0 {
		return nil // nothing that would be done again
	}
	rel.Status.Sync.Written = true
	return r.Client.Status().Update(ctx, rel)
}

// position of a release within its plan: 0 for one that has not begun, or whose plan has
// another order by now. What was done is found done then.
func position(plan *apply.Plan, p *v1alpha1.SyncProgress) int {
	for i, step := range plan.Steps {
		if at(p, step) {
			return i
		}
	}
	return 0
}

func at(p *v1alpha1.SyncProgress, step apply.Step) bool {
	return p.Phase == step.Phase && p.Wave == step.Wave && p.Stage == step.Stage
}

// enter writes down that a step begins. An update gives the release a new status, so that
// nobody may hold on to the one before.
func (r *Reconciler) enter(ctx context.Context, rel *v1alpha1.Release, step apply.Step) error {
	p := rel.Status.Sync
	if at(p, step) {
		return nil
	}
	p.Phase, p.Wave, p.Stage, p.Written, p.Since = step.Phase, step.Wave, step.Stage, false, r.stamp()
	return r.Client.Status().Update(ctx, rel)
}

// words for a step.
func words(step apply.Step) string {
	if step.Phase == v1alpha1.PhaseSync {
		return fmt.Sprintf("wave %d", step.Wave)
	}
	if step.Wave != 0 {
		return fmt.Sprintf("%s, wave %d", step.Phase, step.Wave)
	}
	return step.Phase
}

// phaseSyncFailDone stands in the status when all that follows a failure was done.
const phaseSyncFailDone = "Done"

// aftermath runs the SyncFail hooks of a release that failed, and lets go of its other
// hooks, before the release before it is put back. done is false while it has to wait.
func (r *Reconciler) aftermath(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) (result ctrl.Result, done bool, err error) {
	if p := rel.Status.Sync; p == nil || p.Phase == phaseSyncFailDone || rel.Status.FinishedAt != nil {
		return ctrl.Result{}, true, nil
	}
	var steps []apply.Step
	var plan *apply.Plan
	limit := deadline(app, nil)
	if set, err := r.load(ctx, app, rel); err != nil {
		// Putting back what was healthy comes before what was to be done after a failure.
		r.event(app, corev1.EventTypeWarning, "SyncFailSkipped", "release %d: its set cannot be read: %v", rel.Spec.Number, err)
	} else if plan, err = r.plan(rel, set); err == nil {
		steps, limit = plan.Fail, deadline(app, set)
	}
	for i := failPosition(steps, rel.Status.Sync); i < len(steps); i++ {
		step := steps[i]
		if err := r.enter(ctx, rel, step); err != nil {
			return ctrl.Result{}, false, err
		}
		waits, failed, err := r.hooks(ctx, app, rel, plan, step)
		if err != nil && refusal(err) == "" && r.took(app, rel, limit) < limit {
			return ctrl.Result{}, false, r.trouble(ctx, app, err)
		}
		if err != nil {
			failed = err.Error()
		}
		if failed != "" {
			r.event(app, corev1.EventTypeWarning, "HookFailed", "release %d: %s", rel.Spec.Number, failed)
			continue
		}
		if left := limit - r.took(app, rel, limit); waits != "" && left > 0 {
			result, err := r.rolling(ctx, app, rel, left, "it failed; "+words(step)+": "+waits)
			return result, false, err
		}
	}
	if err := r.endHooks(ctx, app, rel); err != nil {
		return ctrl.Result{}, false, r.trouble(ctx, app, err)
	}
	rel.Status.Sync.Phase, rel.Status.Sync.Wave, rel.Status.Sync.Stage = phaseSyncFailDone, 0, 0
	return ctrl.Result{}, true, r.Client.Status().Update(ctx, rel)
}

func failPosition(steps []apply.Step, p *v1alpha1.SyncProgress) int {
	for i, step := range steps {
		if at(p, step) {
			return i
		}
	}
	return 0
}
