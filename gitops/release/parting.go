package release

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/health"
)

// phaseDeleting stands between the two phases of a deletion: its objects are going.
const phaseDeleting = "Deleting"

// depart deletes an application whose set has hooks for that: those of PreDelete, then
// the objects, then, when they are gone, those of PostDelete. Where it is stands in the
// status of the release that is applied, as that of a rollout does. A hook that fails
// holds the deletion up until somebody decides.
func (r *Reconciler) depart(ctx context.Context, app *v1alpha1.Application) (result ctrl.Result, done bool, err error) {
	rel, plan, why, err := r.parting(ctx, app)
	if err != nil {
		return ctrl.Result{}, false, r.trouble(ctx, app, fmt.Errorf("hooks of the deletion: %w; `kubectl annotate application %s %s=skip` goes on without them",
			err, app.Name, v1alpha1.AnnotationDeletionHooks))
	}
	if why != "" {
		r.event(app, corev1.EventTypeWarning, "DeletionHooksSkipped", "%s", why)
		return ctrl.Result{}, true, r.takeDown(ctx, app)
	}
	if rel.Status.Sync == nil {
		rel.Status.Sync = &v1alpha1.SyncProgress{}
	}
	if err := r.resume(ctx, app, rel); err != nil {
		return ctrl.Result{}, false, err
	}
	limit := deadline(app, nil)
	if phase := rel.Status.Sync.Phase; phase != phaseDeleting && phase != v1alpha1.PhasePostDelete {
		if result, done, err = r.farewell(ctx, app, rel, plan, v1alpha1.PhasePreDelete, limit); !done || err != nil {
			return result, false, err
		}
	}
	if rel.Status.Sync.Phase != v1alpha1.PhasePostDelete {
		if err := r.enter(ctx, rel, apply.Step{Phase: phaseDeleting}); err != nil {
			return ctrl.Result{}, false, err
		}
		if err := r.takeDown(ctx, app); err != nil {
			return ctrl.Result{}, false, err
		}
		if result, done, err = r.gone(ctx, app, rel, plan, limit); !done || err != nil {
			return result, false, err
		}
	}
	if result, done, err = r.farewell(ctx, app, rel, plan, v1alpha1.PhasePostDelete, limit); !done || err != nil {
		return result, false, err
	}
	for _, e := range rel.Status.Sync.Hooks {
		if e.Phase != v1alpha1.PhasePostDelete {
			continue
		}
		if err := r.Applier.DropHook(ctx, r.target(app, rel.Spec.Number), e.ObjectReference, e.UID, true); err != nil {
			return ctrl.Result{}, false, r.trouble(ctx, app, err)
		}
	}
	return ctrl.Result{}, true, nil
}

// parting is the release that is applied, and the plan of its set; or why no hooks run.
func (r *Reconciler) parting(ctx context.Context, app *v1alpha1.Application) (rel *v1alpha1.Release, plan *apply.Plan, why string, err error) {
	if app.Annotations[v1alpha1.AnnotationDeletionHooks] == "skip" {
		return nil, nil, "somebody asked for that", nil
	}
	if app.Spec.Cluster == nil {
		ns := &corev1.Namespace{}
		err := r.Reader.Get(ctx, types.NamespacedName{Name: destination(app)}, ns)
		if err == nil && !ns.DeletionTimestamp.IsZero() {
			return nil, nil, fmt.Sprintf("namespace %s is being deleted, and nothing new may run there", ns.Name), nil
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, nil, "", err
		}
	}
	if rel, err = r.release(ctx, app, app.Status.Current); err != nil {
		return nil, nil, "", err
	}
	if rel == nil {
		return nil, nil, fmt.Sprintf("release %d, which has them, is gone already", app.Status.Current), nil
	}
	set, err := r.load(ctx, app, rel)
	if err != nil && app.Status.Healthy == app.Status.Current {
		set, err = r.Store.LastHealthy(ctx, app, app.Status.Healthy)
	}
	if err != nil {
		return nil, nil, "", err
	}
	return rel, apply.PlanAgain(set.Objects, rel.Spec.Number), "", nil
}

// farewell runs the hooks of one phase of a deletion.
func (r *Reconciler) farewell(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, plan *apply.Plan, phase string, limit time.Duration) (result ctrl.Result, done bool, err error) {
	steps := slices.DeleteFunc(slices.Clone(plan.Delete), func(s apply.Step) bool { return s.Phase != phase })
	for i := failPosition(steps, rel.Status.Sync); i < len(steps); i++ {
		step := steps[i]
		if err := r.enter(ctx, rel, step); err != nil {
			return ctrl.Result{}, false, err
		}
		if err := r.want(ctx, app, step.Hooks); err != nil {
			return ctrl.Result{}, false, r.trouble(ctx, app, err)
		}
		waits, failed, err := r.hooks(ctx, app, rel, plan, step)
		switch {
		case apierrors.IsForbidden(err) || refusal(err) != "":
			failed = err.Error()
		case err != nil:
			return ctrl.Result{}, false, r.trouble(ctx, app, err)
		}
		left := limit - r.took(app, rel, limit)
		if failed == "" && waits != "" {
			if left > 0 {
				result, err := r.leaving(ctx, app, left, words(step)+": "+waits)
				return result, false, err
			}
			failed = fmt.Sprintf("not done within %s: %s", limit, waits)
		}
		if failed != "" {
			if held, err := r.held(ctx, app, failed); held || err != nil {
				return ctrl.Result{RequeueAfter: backstop}, false, err
			}
		}
		if err := r.dropHooks(ctx, app, rel, step.Phase, step.Wave); err != nil {
			return ctrl.Result{}, false, r.trouble(ctx, app, err)
		}
	}
	return ctrl.Result{}, true, nil
}

// gone waits until what was deleted is not there any more, if something runs after that;
// no longer than the deadline, as one object that does not go must not keep the rest.
func (r *Reconciler) gone(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, plan *apply.Plan, limit time.Duration) (result ctrl.Result, done bool, err error) {
	if !slices.ContainsFunc(plan.Delete, func(s apply.Step) bool { return s.Phase == v1alpha1.PhasePostDelete }) {
		return ctrl.Result{}, true, nil
	}
	refs, _, err := r.Applier.Health(ctx, r.target(app, rel.Spec.Number), app.Status.Inventory)
	if err != nil {
		return ctrl.Result{}, false, r.trouble(ctx, app, err)
	}
	var there []string
	for _, ref := range refs {
		if ref.Health == health.Terminating {
			there = append(there, apply.Title(ref))
		}
	}
	left := limit - r.took(app, rel, limit)
	if len(there) == 0 || left <= 0 {
		return ctrl.Result{}, true, nil
	}
	result, err = r.leaving(ctx, app, min(left, time.Second), "goes: "+strings.Join(there, ", "))
	return result, false, err
}

// leaving shows what a deletion waits for.
func (r *Reconciler) leaving(ctx context.Context, app *v1alpha1.Application, left time.Duration, message string) (ctrl.Result, error) {
	err := r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
		s.Message = oneLine("is being deleted: " + message)
	})
	return ctrl.Result{RequeueAfter: max(min(left, backstop), 10*time.Millisecond)}, err
}

// held keeps an application whose deletion hook failed, and says how to go on. Those that
// a generator made and takes away go: nobody is there to look at them.
func (r *Reconciler) held(ctx context.Context, app *v1alpha1.Application, failed string) (bool, error) {
	masks, err := r.masksOf(ctx, app)
	if err != nil {
		return false, err
	}
	failed = masks.hide(failed)
	if app.Labels[v1alpha1.LabelApplicationSet] != "" {
		r.event(app, corev1.EventTypeWarning, "HookFailed", "%s", failed)
		return false, nil
	}
	if !meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ConditionDeletionHeld) {
		r.event(app, corev1.EventTypeWarning, "HookFailed", "%s", failed)
	}
	text := oneLine(fmt.Sprintf("is not deleted: %s; `slipway app sync %s` runs it again, `kubectl annotate application %s %s=skip` goes on without hooks, `slipway app delete %s --cascade=false` leaves the objects",
		failed, app.Name, app.Name, v1alpha1.AnnotationDeletionHooks, app.Name))
	return true, r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
		if meta.SetStatusCondition(&s.Conditions, metav1.Condition{Type: v1alpha1.ConditionDeletionHeld, Status: metav1.ConditionTrue,
			Reason: "HookFailed", Message: text, ObservedGeneration: app.Generation}) {
			s.RefusedRetry = app.Spec.Retry
		}
		s.Message = text
	})
}

// partAgain has the hook that holds a deletion run again.
func (r *Reconciler) partAgain(app *v1alpha1.Application) error {
	if !meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ConditionDeletionHeld) {
		return refused("application %s is being deleted", app.Name)
	}
	app.Spec.Retry = strconv.FormatInt(time.Now().UnixNano(), 36)
	return nil
}

// resume forgets hooks of the deletion that did not succeed, if somebody asked for that
// since they held it up.
func (r *Reconciler) resume(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) error {
	if !meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ConditionDeletionHeld) || app.Spec.Retry == app.Status.RefusedRetry {
		return nil
	}
	p := rel.Status.Sync
	var rest []v1alpha1.HookStatus
	for _, e := range p.Hooks {
		if e.Phase != p.Phase || e.State == v1alpha1.HookSucceeded {
			rest = append(rest, e)
			continue
		}
		if err := r.Applier.DropHook(ctx, r.target(app, rel.Spec.Number), e.ObjectReference, e.UID, true); err != nil {
			return r.trouble(ctx, app, err)
		}
	}
	p.Hooks, p.Since = rest, r.stamp()
	if err := r.Client.Status().Update(ctx, rel); err != nil {
		return err
	}
	r.laps.forget(types.NamespacedName{Namespace: app.Namespace, Name: app.Name})
	return r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
		meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionDeletionHeld)
		s.RefusedRetry = app.Spec.Retry
	})
}
