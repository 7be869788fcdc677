package addons

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/authz"
	"slipway.dev/cluster/pki"
)

// JobServiceAccount is the identity of job pods; it has no rights and no token.
const JobServiceAccount = "slipway-job"

// EnsureTenant makes a namespace a tenant's: its label, its deployer, its job identity,
// the roles of its people, and pulling its own images. c must be an administrator's client.
func EnsureTenant(ctx context.Context, c client.Client, name string) error {
	if err := apply(ctx, c, namespace(name, map[string]string{v1alpha1.LabelTenant: "true"})); err != nil {
		return fmt.Errorf("tenant %s: %w", name, err)
	}
	account := func(sa string) *corev1.ServiceAccount {
		return &corev1.ServiceAccount{
			ObjectMeta:                   metav1.ObjectMeta{Namespace: name, Name: sa},
			AutomountServiceAccountToken: ptr.To(false),
		}
	}
	group := func(members string) rbacv1.Subject {
		return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: authz.TenantGroup(name, members)}
	}
	err := apply(ctx, c,
		account(v1alpha1.DeployerServiceAccount),
		account(JobServiceAccount),
		roleBinding(name, "slipway-deployer", authz.RoleDeployer,
			rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: name, Name: v1alpha1.DeployerServiceAccount}),
		roleBinding(name, "slipway-maintainers", authz.RoleMaintainer, group("maintainers")),
		roleBinding(name, "slipway-developers", authz.RoleDeveloper, group("developers")),
		roleBinding(name, "slipway-viewers", authz.RoleViewer, group("viewers")),
		// Applications may name an account of their namespace that has more rights, or fewer.
		roleBinding(name, "slipway-impersonator", authz.RoleImpersonator,
			rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: pki.ServerUser}),
		// Pods pull with their own identity: every service account of the namespace.
		roleBinding(name, "slipway-pull", authz.RolePuller,
			rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts:" + name}),
	)
	if err != nil {
		return fmt.Errorf("tenant %s: %w", name, err)
	}
	return nil
}

func roleBinding(namespace, name, role string, subject rbacv1.Subject) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{subject},
	}
}
