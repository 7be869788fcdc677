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

// identity is who writes objects of a namespace for a target: the account that the
// application names, else the deployer of the tenant, or of the preview of its that they
// are in. It is asked anew each time: whose a namespace is may have changed meanwhile.
func (a *Applier) identity(ctx context.Context, t Target, namespace string) (home, account string, err error) {
	if t.Account != "" {
		return t.Namespace, t.Account, nil
	}
	if namespace != "" && namespace != t.Namespace {
		ns, err := a.namespace(ctx, namespace)
		if err != nil {
			return "", "", err
		}
		if ns != nil && belongs(ns, t.Namespace) {
			return namespace, v1alpha1.DeployerServiceAccount, nil
		}
	}
	return t.Namespace, v1alpha1.DeployerServiceAccount, nil
}

// namespace reads one of this cluster; nil if it is not there.
func (a *Applier) namespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	ns := &corev1.Namespace{}
	err := a.reader.Get(ctx, types.NamespacedName{Name: name}, ns)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	return ns, nil
}

// belongs says whether a namespace is one of the tenant's previews.
func belongs(ns *corev1.Namespace, tenant string) bool {
	return tenant != "" && ns.Labels[v1alpha1.LabelPreviewOf] == tenant
}

// emptied says whether objects of this namespace need no pruning: it is gone, or going
// with all that is in it.
func (a *Applier) emptied(ctx context.Context, t Target, namespace string) (bool, error) {
	if namespace == t.Namespace || namespace == "" || t.Cluster != nil {
		return false, nil
	}
	ns, err := a.namespace(ctx, namespace)
	return err == nil && (ns == nil || ns.DeletionTimestamp != nil), err
}
