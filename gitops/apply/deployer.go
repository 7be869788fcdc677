package apply

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// EnsureDeployer makes the service account that applies what users wrote, bound to
// the ClusterRole "admin" within its namespace. An administrator who wants another
// binding changes it: what exists is not touched.
func EnsureDeployer(ctx context.Context, c client.Client, namespace string) error {
	no := false
	meta := metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.DeployerServiceAccount}
	for _, o := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta, AutomountServiceAccountToken: &no},
		&rbacv1.RoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
			Subjects: []rbacv1.Subject{{
				Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: v1alpha1.DeployerServiceAccount,
			}},
		},
	} {
		if err := c.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("deployer of namespace %s: %w", namespace, err)
		}
	}
	return nil
}
