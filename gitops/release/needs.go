package release

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/order"
)

// obstacle is one needed application that is not as it should be, and why.
type obstacle struct {
	name, why string
	cycle     []string
}

// unmet needs of app. A cycle is one obstacle, and the only one.
func (r *Reconciler) unmet(ctx context.Context, app *v1alpha1.Application) ([]obstacle, error) {
	cycle, err := order.Cycle(app.Name, func(n string) ([]string, error) {
		if n == app.Name {
			return app.Spec.Needs, nil
		}
		other, err := r.other(ctx, app.Namespace, n)
		if other == nil || err != nil {
			return nil, err
		}
		return other.Spec.Needs, nil
	})
	if err != nil {
		return nil, err
	}
	if cycle != nil {
		return []obstacle{{cycle: cycle, why: order.CycleError(cycle).Error()}}, nil
	}
	var out []obstacle
	for _, n := range app.Spec.Needs {
		why, err := r.notYet(ctx, app.Namespace, n)
		if err != nil {
			return nil, err
		}
		if why != "" {
			out = append(out, obstacle{name: n, why: "application " + n + ", which " + why})
		}
	}
	return out, nil
}

// other application by name; nil if it is not there.
func (r *Reconciler) other(ctx context.Context, namespace, name string) (*v1alpha1.Application, error) {
	app := &v1alpha1.Application{}
	err := r.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, app)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return app, err
}

// notYet says why a needed application does not count as there, or "". Its status may be
// older than its spec: what counts is that what is desired became healthy and is applied.
func (r *Reconciler) notYet(ctx context.Context, namespace, name string) (string, error) {
	need, err := r.other(ctx, namespace, name)
	switch {
	case err != nil:
		return "", err
	case need == nil:
		return "does not exist", nil
	case !need.DeletionTimestamp.IsZero():
		return "is being deleted", nil
	case need.Spec.Pin > 0:
		return fmt.Sprintf("is pinned to release %d", need.Spec.Pin), nil
	case need.Spec.Desired == nil:
		return "has nothing desired yet", nil
	}
	healthy, err := r.release(ctx, need, need.Status.Healthy)
	if err != nil {
		return "", err
	}
	s := need.Status
	if healthy != nil && same(healthy.Spec.Desired, *need.Spec.Desired) && s.Current == s.Healthy && s.Health == "Healthy" && s.Sync == "Synced" {
		return "", nil
	}
	state := fmt.Sprintf("is not at %s yet", what(*need.Spec.Desired))
	if healthy != nil && same(healthy.Spec.Desired, *need.Spec.Desired) {
		state = fmt.Sprintf("is %s and %s", s.Health, s.Sync)
	}
	if s.Message != "" {
		state += " (" + s.Message + ")"
	}
	return state, nil
}

// waitingFor turns obstacles into what is shown.
func waitingFor(app *v1alpha1.Application, unmet []obstacle) *v1alpha1.Waiting {
	if len(unmet) == 0 {
		return nil
	}
	if unmet[0].cycle != nil {
		return &v1alpha1.Waiting{Reason: v1alpha1.WaitingCycle, Message: oneLine(unmet[0].why), For: unmet[0].cycle}
	}
	w := &v1alpha1.Waiting{Reason: v1alpha1.WaitingNeeds}
	var why []string
	for _, o := range unmet {
		w.For = append(w.For, o.name)
		why = append(why, o.why)
	}
	w.Message = oneLine(fmt.Sprintf("%s waits for %s", what(*app.Spec.Desired), strings.Join(why, "; ")))
	return w
}

// needsMet keeps the condition of that name, on applications with needs.
func needsMet(s *v1alpha1.ApplicationStatus, app *v1alpha1.Application, unmet []obstacle) {
	if len(app.Spec.Needs) == 0 {
		meta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionNeedsMet)
		return
	}
	c := metav1.Condition{Type: v1alpha1.ConditionNeedsMet, Status: metav1.ConditionTrue, Reason: "Met", ObservedGeneration: app.Generation,
		Message: strings.Join(app.Spec.Needs, ", ") + ": healthy and synced"}
	if len(unmet) > 0 {
		c.Status, c.Reason = metav1.ConditionFalse, "Unmet"
		if unmet[0].cycle != nil {
			c.Reason = "Cycle"
		}
		var why []string
		for _, o := range unmet {
			why = append(why, o.why)
		}
		c.Message = oneLine(strings.Join(why, "; "))
	}
	meta.SetStatusCondition(&s.Conditions, c)
}

// needing enqueues the applications that need the one that changed.
func (r *Reconciler) needing() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		var out []reconcile.Request
		for _, name := range r.neededBy(ctx, o.GetNamespace(), o.GetName()) {
			out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}})
		}
		return out
	})
}

// neededBy names the applications that need the one of that name.
func (r *Reconciler) neededBy(ctx context.Context, namespace, name string) []string {
	list := &v1alpha1.ApplicationList{}
	if err := r.Client.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{indexNeeds: name}); err != nil {
		r.Log.Warn("applications that need another are not known", "namespace", namespace, "application", name, "error", err)
		return nil
	}
	var out []string
	for _, a := range list.Items {
		out = append(out, a.Name)
	}
	return out
}

// sayGone tells the applications that need one that it is being deleted.
func (r *Reconciler) sayGone(ctx context.Context, app *v1alpha1.Application) {
	for _, name := range r.neededBy(ctx, app.Namespace, app.Name) {
		if other, err := r.other(ctx, app.Namespace, name); other != nil && err == nil {
			r.event(other, corev1.EventTypeWarning, "NeedDeleted", "application %s, which this one needs, is being deleted", app.Name)
		}
	}
}
