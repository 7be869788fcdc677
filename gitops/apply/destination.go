package apply

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
)

// where is the one namespace that the set may be written in, and whose deployer does it.
func (t Target) where() string {
	if t.Destination != "" {
		return t.Destination
	}
	return t.Namespace
}

// destination reads that namespace and refuses one that does not belong to the tenant.
// It is asked anew each time: whose a namespace is may have changed meanwhile.
func (a *Applier) destination(ctx context.Context, t Target) (*corev1.Namespace, error) {
	ns := &corev1.Namespace{}
	err := a.reader.Get(ctx, types.NamespacedName{Name: t.where()}, ns)
	switch {
	case apierrors.IsNotFound(err):
		return nil, refuse("namespace %q does not exist", t.where())
	case err != nil:
		return nil, fmt.Errorf("namespace %s: %w", t.where(), err)
	case ns.Name != t.Namespace && !belongs(ns, t.Namespace):
		return nil, refuse("namespace %q does not belong to %q; applications may write in their own namespace and in its previews", ns.Name, t.Namespace)
	case ns.DeletionTimestamp != nil:
		return nil, fmt.Errorf("namespace %s is being removed", ns.Name)
	}
	return ns, nil
}

// mayWrite is destination for those that need no more than the answer. The tenant's own
// namespace needs no question.
func (a *Applier) mayWrite(ctx context.Context, t Target) error {
	if t.where() == t.Namespace {
		return nil
	}
	_, err := a.destination(ctx, t)
	return err
}

// belongs says whether a namespace is one of the tenant's previews.
func belongs(ns *corev1.Namespace, tenant string) bool {
	return tenant != "" && ns.Labels[v1alpha1.LabelPreviewOf] == tenant
}

// emptied says whether objects of this namespace need no pruning, or may not be pruned
// for this target: it is gone, going, or not the tenant's.
func (a *Applier) emptied(ctx context.Context, t Target, namespace string) (bool, error) {
	if namespace == t.Namespace {
		return false, nil
	}
	ns := &corev1.Namespace{}
	err := a.reader.Get(ctx, types.NamespacedName{Name: namespace}, ns)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("namespace %s: %w", namespace, err)
	}
	return ns.DeletionTimestamp != nil || !belongs(ns, t.Namespace), nil
}
