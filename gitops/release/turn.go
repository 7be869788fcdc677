package release

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/order"
)

const (
	// lookAgain is the backstop of waiting for others, whose changes are events.
	lookAgain = 30 * time.Second
	// clockStep bounds the wait for a window: the clock may be set meanwhile.
	clockStep = 10 * time.Minute
)

// indexNeeds finds the applications that need one.
const indexNeeds = "spec.needs"

func needsOf(o client.Object) []string { return o.(*v1alpha1.Application).Spec.Needs }

// turn says what keeps the next release from beginning, nil if nothing does or there is
// none to begin, and shows it. Applications without needs and windows cost nothing.
func (r *Reconciler) turn(ctx context.Context, app *v1alpha1.Application, last *v1alpha1.Release) (*v1alpha1.Waiting, error) {
	var unmet []obstacle
	if len(app.Spec.Needs) > 0 {
		var err error
		if unmet, err = r.unmet(ctx, app); err != nil {
			return nil, err
		}
	}
	var w *v1alpha1.Waiting
	if pending(app, last) {
		w = waitingFor(app, unmet)
		if w == nil {
			w = r.window(app)
		}
	}
	if w == nil && app.Status.Waiting == nil && len(app.Spec.Needs) == 0 && meta.FindStatusCondition(app.Status.Conditions, v1alpha1.ConditionNeedsMet) == nil {
		return nil, nil
	}
	if before := app.Status.Waiting; w != nil {
		w.Since = metav1.NewTime(r.now().Truncate(time.Second))
		if before != nil && before.Reason == w.Reason {
			w.Since = before.Since
			if before.Until.Equal(w.Until) {
				w.Until = before.Until // one instant has several forms
			}
		}
		if before == nil || before.Message != w.Message {
			r.event(app, corev1.EventTypeNormal, "Waiting", "%s", w.Message)
		}
	}
	return w, r.show(ctx, app, func(s *v1alpha1.ApplicationStatus) {
		s.Waiting = w
		needsMet(s, app, unmet)
	})
}

// pending says whether a release of what is desired is still to begin.
func pending(app *v1alpha1.Application, last *v1alpha1.Release) bool {
	desired := app.Spec.Desired
	if desired == nil || app.Spec.Pin > 0 {
		return false
	}
	if refused := app.Status.Refused; refused != nil && same(*refused, *desired) {
		return retryAsked(app)
	}
	if last == nil || !same(last.Spec.Desired, *desired) {
		return true
	}
	return last.Status.Result == v1alpha1.ReleaseInterrupted
}

// window says whether a sync window is in the way.
func (r *Reconciler) window(app *v1alpha1.Application) *v1alpha1.Waiting {
	if len(app.Spec.Windows) == 0 {
		return nil
	}
	w := &v1alpha1.Waiting{Reason: v1alpha1.WaitingWindow}
	windows, err := order.Parse(app.Spec.Windows)
	if err != nil {
		// What it was meant to keep from happening does not happen.
		w.Message = oneLine(fmt.Sprintf("%s waits: spec.windows: %v", what(*app.Spec.Desired), err))
		return w
	}
	why, until := windows.Closed(r.now(), app.Spec.Desired.Manual)
	if why == "" {
		return nil
	}
	when := ", and no end is in sight"
	if !until.IsZero() {
		t := metav1.NewTime(until.UTC())
		w.Until, when = &t, until.UTC().Format(" until 2006-01-02 15:04 MST")
	}
	w.Message = oneLine(fmt.Sprintf("%s waits%s: %s", what(*app.Spec.Desired), when, why))
	return w
}

// wait keeps what runs while the next release may not begin: a rollout under way goes
// on, and what an earlier failure left half done is put back. It is false when there is
// nothing to wait for.
func (r *Reconciler) wait(ctx context.Context, app *v1alpha1.Application, last *v1alpha1.Release, w *v1alpha1.Waiting) (ctrl.Result, bool, error) {
	if w == nil {
		return ctrl.Result{}, false, nil
	}
	again := lookAgain
	if w.Reason == v1alpha1.WaitingWindow {
		again = clockStep
		if w.Until != nil {
			again = max(min(w.Until.Sub(r.now()), again), 10*time.Millisecond)
		}
	}
	var result ctrl.Result
	var err error
	if last != nil && !finished(last) {
		result, err = r.advance(ctx, app, last)
	} else {
		if app.Status.Current != 0 && !settled(app, app.Status.Current) {
			if back, done, err := r.restore(ctx, app); !done {
				return back, true, err
			}
		}
		result, err = r.observe(ctx, app, "OutOfSync", w.Message)
	}
	if err == nil && (result.RequeueAfter == 0 || result.RequeueAfter > again) {
		result.RequeueAfter = again
	}
	return result, true, err
}
