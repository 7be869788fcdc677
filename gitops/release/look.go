package release

import (
	"context"
	"fmt"
	"slices"
	"sort"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	fieldselector "k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// maxObjectEvents of one object are shown, the newest first.
const maxObjectEvents = 50

// Tree is the objects of an application as they are, each followed by what came of it.
func (r *Reconciler) Tree(ctx context.Context, namespace, application string) ([]apply.Node, error) {
	app, nodes, err := r.tree(ctx, namespace, application)
	if err != nil {
		return nil, answered(app, err)
	}
	if !slices.ContainsFunc(nodes, func(n apply.Node) bool { return n.Message != "" }) {
		return nodes, nil
	}
	masks, err := r.masksOf(ctx, app)
	for i := range nodes {
		nodes[i].Message = masks.hide(nodes[i].Message)
	}
	return nodes, answered(app, err)
}

func (r *Reconciler) tree(ctx context.Context, namespace, application string) (*v1alpha1.Application, []apply.Node, error) {
	app := &v1alpha1.Application{}
	if err := r.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app); err != nil {
		return nil, nil, err
	}
	nodes, err := r.Applier.Tree(ctx, r.target(app, app.Status.Current), app.Status.Inventory, apply.Minus(app.Status.Hooks, app.Status.Inventory))
	return app, nodes, err
}

// Look shows one object of an application. Nothing else can be looked at with it: it has to
// be in the application's tree, or in the set that is desired.
func (r *Reconciler) Look(ctx context.Context, namespace, application string, ref v1alpha1.ObjectReference) (_ *apply.View, err error) {
	app, nodes, err := r.tree(ctx, namespace, application)
	defer func() { err = answered(app, err) }()
	if err != nil {
		return nil, err
	}
	v := &apply.View{Events: []apply.Event{}}
	at := slices.IndexFunc(nodes, func(n apply.Node) bool { return apply.Same(n.ObjectReference, ref) })
	if at >= 0 {
		v.Node = nodes[at]
	}
	masks, err := r.masksOf(ctx, app)
	if err != nil {
		return nil, err
	}
	if at < 0 || v.Parent == "" && !v.Hook {
		if err := r.compareOne(ctx, app, ref, v); err != nil {
			return nil, err
		}
	}
	if at < 0 && v.Desired == "" {
		err := apierrors.NewNotFound(schema.GroupResource{Group: ref.Group, Resource: ref.Kind}, ref.Name)
		err.ErrStatus.Message = fmt.Sprintf("application %s: it has no %s/%s; `slipway app tree %s` shows what it has", application, ref.Kind, ref.Name, application)
		err.ErrStatus.Details = nil
		return nil, err
	}
	if at >= 0 {
		if v.Live, err = r.Applier.Live(ctx, r.target(app, app.Status.Current), v.ObjectReference); err != nil {
			return nil, err
		}
	}
	if v.Events, err = r.eventsOf(ctx, app, v.ObjectReference); err != nil {
		return nil, err
	}
	v.Live, v.Desired, v.Problem, v.Message = masks.hide(v.Live), masks.hide(v.Desired), masks.hide(v.Problem), masks.hide(v.Message)
	if v.Change != nil {
		v.Change.Diff = masks.hide(v.Change.Diff)
	}
	for i := range v.Events {
		v.Events[i].Message = masks.hide(v.Events[i].Message)
	}
	return v, nil
}

// compareOne fills in what is desired of an object, and what differs.
func (r *Reconciler) compareOne(ctx context.Context, app *v1alpha1.Application, ref v1alpha1.ObjectReference, v *apply.View) error {
	plan, err := r.desiredPlan(ctx, app)
	if err != nil {
		if v.Problem = refusal(err); v.Problem != "" {
			return nil
		}
		return err
	}
	if plan == nil {
		return nil
	}
	var mine *unstructured.Unstructured
	for i, candidate := range apply.Inventory(plan.Objects()) {
		if apply.Same(candidate, ref) {
			mine, v.Desired = plan.Objects()[i], apply.Text(plan.Objects()[i])
			if v.Name == "" {
				v.ObjectReference = candidate
			}
		}
	}
	if mine == nil {
		return nil
	}
	t, err := r.targetOf(ctx, app, app.Status.Current, plan)
	if err != nil {
		return err
	}
	changes, err := r.Applier.Diff(ctx, t, []*unstructured.Unstructured{mine}, nil)
	if err != nil {
		if v.Problem = refusal(err); v.Problem != "" {
			return nil
		}
		return err
	}
	if len(changes) == 1 {
		v.Change = &changes[0]
	}
	return nil
}

// desiredPlan is the set that is desired now, in its order; nil where nothing is.
func (r *Reconciler) desiredPlan(ctx context.Context, app *v1alpha1.Application) (*apply.Plan, error) {
	app = app.DeepCopy()
	if err := r.inputs(ctx, app, ""); err != nil {
		return nil, err
	}
	if app.Spec.Desired == nil {
		return nil, nil
	}
	return r.planOf(ctx, app)
}

// planOf what is desired, in its order.
func (r *Reconciler) planOf(ctx context.Context, app *v1alpha1.Application) (*apply.Plan, error) {
	set, err := r.render(ctx, app, *app.Spec.Desired)
	if err != nil {
		return nil, err
	}
	if set, err = r.selected(ctx, app, *app.Spec.Desired, set); err != nil {
		return nil, err
	}
	return apply.NewPlan(set.Objects, max(app.Status.Current, 1), true)
}

// eventsOf an object, the newest first.
func (r *Reconciler) eventsOf(ctx context.Context, app *v1alpha1.Application, ref v1alpha1.ObjectReference) ([]apply.Event, error) {
	out := []apply.Event{}
	s, err := r.sight(ctx, app)
	if err != nil || s.kube == nil {
		return out, err
	}
	found, err := eventsIn(ctx, s.kube, ref)
	if s.away && apierrors.IsForbidden(err) {
		return out, nil
	}
	return found, err
}

// EventsOf an application: releases that began and ended, pins, waits, what was
// put right. The newest are first.
func (r *Reconciler) EventsOf(ctx context.Context, namespace, application string) ([]apply.Event, error) {
	app := &v1alpha1.Application{}
	if err := r.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app); err != nil {
		return nil, err
	}
	masks, err := r.masks(ctx, namespace)
	if err != nil {
		return nil, err
	}
	events, err := eventsIn(ctx, r.Pods, v1alpha1.ObjectReference{Group: v1alpha1.GroupVersion.Group, Kind: "Application", Namespace: namespace, Name: application})
	for i := range events {
		events[i].Message = masks.hide(events[i].Message)
	}
	return events, err
}

// eventsIn a cluster of one object.
func eventsIn(ctx context.Context, kube kubernetes.Interface, ref v1alpha1.ObjectReference) ([]apply.Event, error) {
	list, err := kube.CoreV1().Events(ref.Namespace).List(ctx, metav1.ListOptions{FieldSelector: fieldselector.Set{
		"involvedObject.kind": ref.Kind, "involvedObject.name": ref.Name,
	}.String()})
	if err != nil {
		return nil, err
	}
	out := []apply.Event{}
	// One name may be of two groups.
	mine := slices.DeleteFunc(list.Items, func(e corev1.Event) bool {
		gv, err := schema.ParseGroupVersion(e.InvolvedObject.APIVersion)
		return err != nil || gv.Group != ref.Group || e.InvolvedObject.Kind != ref.Kind || e.InvolvedObject.Name != ref.Name
	})
	sort.SliceStable(mine, func(i, j int) bool { return eventTime(mine[j]).Before(eventTime(mine[i])) })
	for _, e := range mine[:min(len(mine), maxObjectEvents)] {
		count, from := e.Count, e.Source.Component
		if e.Series != nil {
			count = e.Series.Count
		}
		if from == "" {
			from = e.ReportingController
		}
		out = append(out, apply.Event{Type: e.Type, Reason: e.Reason, Message: e.Message, Count: count, Last: metav1.NewTime(eventTime(e)), From: from})
	}
	return out, nil
}
