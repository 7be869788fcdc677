package addons

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/cluster/api/v1alpha1"
	kube "slipway.dev/cluster/client"
)

// applied stands in for server-side apply, which the fake client cannot do for all kinds:
// the object is as it is given.
func applied(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(text); err != nil {
		return err
	}
	have := u.DeepCopy()
	if err := c.Get(ctx, client.ObjectKeyFromObject(u), have); apierrors.IsNotFound(err) {
		return c.Create(ctx, u)
	} else if err != nil {
		return err
	}
	u.SetResourceVersion(have.GetResourceVersion())
	return c.Update(ctx, u)
}

func TestPreviews(t *testing.T) {
	ctx := context.Background()
	meta := func(ns, name string, labels map[string]string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: ns, Name: name, Labels: labels}
	}
	hard := corev1.ResourceList{corev1.ResourcePods: resource.MustParse("9")}
	c := fake.NewClientBuilder().WithScheme(kube.Scheme).WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "taken"}},
		&networkingv1.NetworkPolicy{ObjectMeta: meta("acme", "no-strangers", nil)},
		&networkingv1.NetworkPolicy{ObjectMeta: meta("acme", "of-an-app", map[string]string{v1alpha1.LabelApplication: "shop"})},
		&corev1.ResourceQuota{ObjectMeta: meta("acme", "all", nil), Spec: corev1.ResourceQuotaSpec{Hard: hard}},
	).WithInterceptorFuncs(interceptor.Funcs{Apply: applied}).Build()
	s := Previews{Client: c, Reader: c}
	p := Preview{Tenant: "acme", Name: "acme-shop-1", Set: "set", Application: "shop", Quota: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("3")}}
	require.NoError(t, s.Ensure(ctx, p))

	ns := &corev1.Namespace{}
	require.NoError(t, c.Get(ctx, client.ObjectKey{Name: p.Name}, ns))
	require.Equal(t, "baseline", ns.Labels["pod-security.kubernetes.io/enforce"])
	require.Equal(t, "acme", ns.Labels[v1alpha1.LabelPreviewOf])
	require.NotContains(t, ns.Labels, v1alpha1.LabelTenant)
	binding := &rbacv1.RoleBinding{}
	require.NoError(t, c.Get(ctx, client.ObjectKey{Namespace: p.Name, Name: "slipway-deployer"}, binding))
	require.Equal(t, "slipway-deployer in acme-shop-1", binding.Subjects[0].Name+" in "+binding.Subjects[0].Namespace)
	pull := client.ObjectKey{Namespace: "acme", Name: "slipway-pull-acme-shop-1"}
	require.NoError(t, c.Get(ctx, pull, binding))
	require.Equal(t, "system:serviceaccounts:acme-shop-1", binding.Subjects[0].Name)
	quotas, policies := &corev1.ResourceQuotaList{}, &networkingv1.NetworkPolicyList{}
	require.NoError(t, c.List(ctx, quotas, client.InNamespace(p.Name)))
	require.NoError(t, c.List(ctx, policies, client.InNamespace(p.Name)))
	require.Len(t, quotas.Items, 2)
	require.Len(t, policies.Items, 1)
	require.Equal(t, "tenant-no-strangers", policies.Items[0].Name)

	// The second time nothing is written; a changed quota of the tenant's is.
	version := ns.ResourceVersion
	require.NoError(t, s.Ensure(ctx, p))
	require.NoError(t, c.Get(ctx, client.ObjectKey{Name: p.Name}, ns))
	require.Equal(t, version, ns.ResourceVersion)
	quota := &corev1.ResourceQuota{}
	require.NoError(t, c.Get(ctx, client.ObjectKey{Namespace: "acme", Name: "all"}, quota))
	quota.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("5")}
	require.NoError(t, c.Update(ctx, quota))
	require.NoError(t, s.Ensure(ctx, p))
	require.NoError(t, c.Get(ctx, client.ObjectKey{Namespace: p.Name, Name: "tenant-all"}, quota))
	require.Equal(t, "5", quota.Spec.Hard.Pods().String())

	require.NoError(t, c.Delete(ctx, &corev1.ResourceQuota{ObjectMeta: meta("acme", "all", nil)}))
	require.NoError(t, s.Ensure(ctx, p))
	require.True(t, apierrors.IsNotFound(c.Get(ctx, client.ObjectKey{Namespace: p.Name, Name: "tenant-all"}, quota)))
	require.NoError(t, c.Get(ctx, client.ObjectKey{Namespace: p.Name, Name: "slipway-preview"}, quota))

	// What is somebody else's is neither taken nor removed.
	other := p
	other.Tenant = "evil"
	require.ErrorContains(t, s.Ensure(ctx, other), "namespace acme-shop-1 exists and is not the preview of application shop")
	other.Tenant, other.Name = "acme", "taken"
	require.ErrorContains(t, s.Ensure(ctx, other), "namespace taken exists")
	require.ErrorContains(t, s.Remove(ctx, "evil", p.Name), "is not a preview of evil")
	require.ErrorContains(t, s.Remove(ctx, "acme", "taken"), "is not a preview of acme")

	require.NoError(t, s.Remove(ctx, "acme", p.Name))
	require.NoError(t, s.Remove(ctx, "acme", p.Name))
	require.True(t, apierrors.IsNotFound(c.Get(ctx, pull, binding)))
	require.True(t, apierrors.IsNotFound(c.Get(ctx, client.ObjectKey{Name: p.Name}, ns)))

	// Threat 12: strangers do not pull the tenant's images.
	p.Untrusted = true
	require.NoError(t, s.Ensure(ctx, p))
	require.True(t, apierrors.IsNotFound(c.Get(ctx, pull, binding)))
}
