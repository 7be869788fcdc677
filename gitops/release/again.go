package release

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// A value that failed on the way to another cluster is tried again when that answers, but not
// sooner than this after it was last begun, and after twice as long each time: a cluster that
// comes and goes would fill the history.
const (
	againAfter = 30 * time.Second
	againMost  = 30 * time.Minute
)

// reached stands in status.refusedRetry for a value that may be tried again: the other
// cluster answers. It is no word of spec.retry.
const reached = "reached"

// unreached says whether an error is of the way to the other cluster of an application.
func unreached(app *v1alpha1.Application, err error) bool {
	return app.Spec.Cluster != nil && apply.Unreached(err)
}

// gaveUp fails a release because of an error, and remembers whether that was on the way to
// another cluster.
func (r *Reconciler) gaveUp(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, reason string, cause error) (ctrl.Result, error) {
	if unreached(app, cause) {
		before, err := r.release(ctx, app, rel.Spec.Number-1)
		if err != nil {
			return ctrl.Result{}, err
		}
		rel.Status.Unreached = 1
		if before != nil && same(before.Spec.Desired, rel.Spec.Desired) {
			rel.Status.Unreached += before.Status.Unreached
		}
	}
	result, err := r.fail(ctx, app, rel, reason, nil)
	if err == nil && rel.Status.Unreached > 0 {
		result.RequeueAfter = sooner(result.RequeueAfter, againAfter)
	}
	return result, err
}

// rest is what a failed release comes to: the last healthy one is put back, and its value is
// left alone, or tried again when the other cluster, which was not to be reached, answers.
func (r *Reconciler) rest(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) (ctrl.Result, error) {
	if rel.Status.Unreached == 0 {
		return r.putBack(ctx, app, rel)
	}
	if err := r.Applier.Reach(ctx, r.target(app, rel.Spec.Number)); unreached(app, err) {
		return ctrl.Result{RequeueAfter: lookAgain}, r.outOfReach(ctx, app, rel)
	}
	result, err := r.putBack(ctx, app, rel)
	if err != nil || rel.Status.FinishedAt == nil {
		return result, err
	}
	if wait := started(rel).Add(pauseOf(rel.Status.Unreached)).Sub(r.now()); wait > 0 {
		result.RequeueAfter = sooner(result.RequeueAfter, wait)
		return result, nil
	}
	return ctrl.Result{RequeueAfter: soon}, r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
		s.RefusedRetry = reached
		s.Message = "the cluster answers again; what failed before is tried again"
	})
}

// outOfReach says that a release failed while its cluster is still away. Who waits for it is
// told so, unless something of it may be there and is to be put back.
func (r *Reconciler) outOfReach(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) error {
	err := r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
		s.Sync, s.Health, s.Message = "Failed", "Unknown", oneLine(failedText(app, rel))
		if s.Refused == nil || !same(*s.Refused, rel.Spec.Desired) {
			s.Refused, s.RefusedRetry = rel.Spec.Desired.DeepCopy(), app.Spec.Retry
		}
	})
	if err != nil || rel.Status.FinishedAt != nil || app.Status.Current == rel.Spec.Number {
		return err
	}
	rel.Status.FinishedAt = r.stamp()
	if err := r.Client.Status().Update(ctx, rel); err != nil {
		return err
	}
	r.Metrics.finished(app, rel)
	return nil
}

// pauseOf the n-th failure in a row.
func pauseOf(n int32) time.Duration {
	pause := againAfter
	for ; n > 1 && pause < againMost; n-- {
		pause *= 2
	}
	return min(pause, againMost)
}
