package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"slipway.dev/cluster/api/v1alpha1"
)

// apply makes everything so, and takes away what is no more part of it.
func (c *Controller) apply(ctx context.Context, spec v1alpha1.LogStackSpec) (*Secrets, error) {
	switch exists, ours, err := c.space(ctx); {
	case err != nil:
		return nil, err
	case exists && !ours:
		return nil, ErrNotOurs
	}
	if err := c.applyAll(ctx, ground()); err != nil {
		return nil, err
	}
	s, err := c.secrets(ctx, spec)
	if err != nil {
		return nil, err
	}
	objects := Render(spec, s)
	if err := c.applyAll(ctx, objects); err != nil {
		return nil, err
	}
	return s, c.prune(ctx, objects)
}

// space says whether the namespace is there, and is ours.
func (c *Controller) space(ctx context.Context) (exists, ours bool, err error) {
	var ns corev1.Namespace
	err = c.Reader.Get(ctx, client.ObjectKey{Name: namespace}, &ns)
	if apierrors.IsNotFound(err) {
		return false, false, nil
	}
	_, ours = ns.Labels[labelPart]
	return true, ours, err
}

// kinds of what Render makes, workloads first: they are what else is used by.
func kinds() []client.ObjectList {
	return []client.ObjectList{
		&appsv1.DaemonSetList{}, &appsv1.StatefulSetList{}, &appsv1.DeploymentList{},
		&policyv1.PodDisruptionBudgetList{}, &corev1.ServiceList{}, &corev1.ConfigMapList{}, &corev1.SecretList{},
	}
}

// prune deletes what carries the label of a part and is not wanted.
func (c *Controller) prune(ctx context.Context, wanted []client.Object) error {
	keep := map[string]bool{}
	name := func(o client.Object) (string, error) {
		gvk, err := apiutil.GVKForObject(o, c.Client.Scheme())
		return gvk.Kind + "/" + o.GetName(), err
	}
	for _, o := range wanted {
		n, err := name(o)
		if err != nil {
			return err
		}
		keep[n] = true
	}
	var errs []error
	for _, list := range kinds() {
		objects, err := c.list(ctx, list)
		if err != nil {
			return err
		}
		for _, o := range objects {
			n, err := name(o)
			if err != nil {
				return err
			}
			if keep[n] || o.GetLabels()[labelPart] == "" || !o.GetDeletionTimestamp().IsZero() {
				continue
			}
			err = c.Client.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationBackground))
			if client.IgnoreNotFound(err) != nil {
				errs = append(errs, fmt.Errorf("%s is no more wanted: %w", n, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (c *Controller) list(ctx context.Context, list client.ObjectList) ([]client.Object, error) {
	if err := c.Reader.List(ctx, list, client.InNamespace(namespace), client.HasLabels{labelPart}); err != nil {
		return nil, err
	}
	var out []client.Object
	switch l := list.(type) {
	case *appsv1.DaemonSetList:
		out = pointers[appsv1.DaemonSet](l.Items)
	case *appsv1.StatefulSetList:
		out = pointers[appsv1.StatefulSet](l.Items)
	case *appsv1.DeploymentList:
		out = pointers[appsv1.Deployment](l.Items)
	case *policyv1.PodDisruptionBudgetList:
		out = pointers[policyv1.PodDisruptionBudget](l.Items)
	case *corev1.ServiceList:
		out = pointers[corev1.Service](l.Items)
	case *corev1.ConfigMapList:
		out = pointers[corev1.ConfigMap](l.Items)
	case *corev1.SecretList:
		out = pointers[corev1.Secret](l.Items)
	}
	return out, nil
}

func pointers[T any, P interface {
	*T
	client.Object
}](items []T) []client.Object {
	out := make([]client.Object, len(items))
	for i := range items {
		out[i] = P(&items[i])
	}
	return out
}

// remove takes the stack away. Claims, passwords and the authority stay, and with them the
// namespace, unless the data is to go as well.
func (c *Controller) remove(ctx context.Context, stack *v1alpha1.LogStack) (ctrl.Result, error) {
	if !slices.Contains(stack.Finalizers, finalizer) {
		return ctrl.Result{}, nil
	}
	if err := c.Lines.Stop(ctx); err != nil {
		return ctrl.Result{}, fmt.Errorf("sending lines to fluentd: %w", err)
	}
	_, ours, err := c.space(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	if ours {
		if err := c.prune(ctx, nil); err != nil {
			return ctrl.Result{}, err
		}
	}
	if ours && stack.Annotations[AnnotationRemoveData] == "true" {
		gone, err := c.emptied(ctx)
		if err == nil && gone {
			// A namespace with pods in it is left alone for as long as these may take to end.
			gone, err = c.RemoveData(ctx)
		}
		if err != nil || !gone {
			return ctrl.Result{RequeueAfter: soon / 5}, err
		}
	}
	controllerutil.RemoveFinalizer(stack, finalizer)
	return ctrl.Result{}, client.IgnoreNotFound(c.Client.Update(ctx, stack))
}

// emptied says whether the pods are gone.
func (c *Controller) emptied(ctx context.Context) (bool, error) {
	var pods corev1.PodList
	err := c.Reader.List(ctx, &pods, client.InNamespace(namespace), client.HasLabels{labelPart})
	return len(pods.Items) == 0, err
}

// RemoveData deletes the namespace with what a stack left there, and says whether it is gone.
func (c *Controller) RemoveData(ctx context.Context) (gone bool, err error) {
	var ns corev1.Namespace
	err = c.Reader.Get(ctx, client.ObjectKey{Name: namespace}, &ns)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if _, ours := ns.Labels[labelPart]; !ours {
		return false, ErrNotOurs
	}
	if !ns.DeletionTimestamp.IsZero() {
		return false, nil
	}
	return false, client.IgnoreNotFound(c.Client.Delete(ctx, &ns))
}

// look is what the cluster has of a part.
func (c *Controller) look(ctx context.Context, part string) (Seen, error) {
	var s Seen
	key := client.ObjectKey{Namespace: namespace, Name: part}
	var err error
	switch part {
	case Fluentd:
		var w appsv1.DaemonSet
		err = c.Reader.Get(ctx, key, &w)
		s.Wanted, s.Ready = w.Status.DesiredNumberScheduled, w.Status.NumberReady
		s.Settled = w.Status.ObservedGeneration == w.Generation && w.Status.UpdatedNumberScheduled == s.Wanted
	case Elasticsearch:
		var w appsv1.StatefulSet
		if err = c.Reader.Get(ctx, key, &w); err == nil {
			s.Wanted, s.Ready = *w.Spec.Replicas, w.Status.ReadyReplicas
			s.Settled = w.Status.ObservedGeneration == w.Generation && w.Status.UpdatedReplicas == s.Wanted
		}
	default:
		var w appsv1.Deployment
		if err = c.Reader.Get(ctx, key, &w); err == nil {
			s.Wanted, s.Ready = *w.Spec.Replicas, w.Status.ReadyReplicas
			s.Settled = w.Status.ObservedGeneration == w.Generation && w.Status.UpdatedReplicas == s.Wanted
		}
	}
	if err != nil {
		return s, err
	}
	var pods corev1.PodList
	if err := c.Reader.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(selector(part))); err != nil {
		return s, err
	}
	s.Pods = pods.Items
	if part == Elasticsearch {
		var claims corev1.PersistentVolumeClaimList
		if err := c.Reader.List(ctx, &claims, client.InNamespace(namespace)); err != nil {
			return s, err
		}
		s.Claims = slices.DeleteFunc(claims.Items, func(p corev1.PersistentVolumeClaim) bool { return !claimOf(p.Name) })
	}
	if int32(len(s.Pods)) >= s.Wanted {
		return s, nil
	}
	s.Refusals, err = c.refusals(ctx, part)
	return s, err
}

// refusals are events of a workload, or of a Deployment's ReplicaSets, whose pods could not
// be made.
func (c *Controller) refusals(ctx context.Context, part string) ([]corev1.Event, error) {
	var events corev1.EventList
	if err := c.Reader.List(ctx, &events, client.InNamespace(namespace), client.MatchingFields{"reason": "FailedCreate"}); err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(events.Items, func(e corev1.Event) bool {
		o := e.InvolvedObject
		return o.Kind == "Pod" || o.Name != part && !(o.Kind == "ReplicaSet" && len(o.Name) > len(part) && o.Name[:len(part)+1] == part+"-")
	})
	slices.SortFunc(out, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	return out, nil
}
