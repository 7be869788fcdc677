package addons

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/authz"
)

// Preview is a namespace that belongs to a tenant and is for one application of it.
type Preview struct {
	Tenant, Name     string
	Set, Application string
	// Untrusted: its pods may not pull the tenant's images.
	Untrusted bool
	Quota     corev1.ResourceList
}

// annotationEnsured is a digest of what a preview was made of, written when all of it
// is there.
const annotationEnsured = "slipway.dev/ensured"

// copied names what was copied from the tenant's namespace.
const copied = "tenant-"

// Previews makes and removes namespaces of previews.
type Previews struct {
	// Client writes; it may give what a preview is given. Reader reads uncached.
	Client client.Client
	Reader client.Reader
}

// Ensure makes a namespace that tenant's applications may be applied in, by a
// deployer of its own: pods by the baseline, the tenant's network policies, quotas and
// limits, a quota of its own, and, unless it is of strangers, pulling the tenant's
// images. It refuses a namespace that exists and is not that preview's.
func (s Previews) Ensure(ctx context.Context, p Preview) error {
	c, read := s.Client, s.Reader
	have := &corev1.Namespace{}
	err := read.Get(ctx, types.NamespacedName{Name: p.Name}, have)
	switch {
	case apierrors.IsNotFound(err):
		have = nil
	case err != nil:
		return fmt.Errorf("preview %s: %w", p.Name, err)
	case have.Labels[v1alpha1.LabelPreviewOf] != p.Tenant || have.Labels[v1alpha1.LabelApplicationSet] != p.Set || have.Annotations[v1alpha1.AnnotationPreviewFor] != p.Application:
		return fmt.Errorf("namespace %s exists and is not the preview of application %s", p.Name, p.Application)
	case have.DeletionTimestamp != nil:
		return fmt.Errorf("namespace %s of before is still being removed", p.Name)
	}
	copies, err := tenantsOwn(ctx, c, p)
	if err != nil {
		return fmt.Errorf("preview %s: %w", p.Name, err)
	}
	sum := digestOf(p, copies)
	if have != nil && have.Annotations[annotationEnsured] == sum {
		return nil
	}
	if err := apply(ctx, c, p.namespace("")); err != nil {
		return fmt.Errorf("preview %s: %w", p.Name, err)
	}
	if err := errors.Join(apply(ctx, c, append(p.objects(), copies...)...), stale(ctx, c, p, copies)); err != nil {
		return fmt.Errorf("preview %s: %w", p.Name, err)
	}
	if err := apply(ctx, c, p.namespace(sum)); err != nil {
		return fmt.Errorf("preview %s: %w", p.Name, err)
	}
	return nil
}

func (p Preview) namespace(ensured string) *corev1.Namespace {
	ns := namespace(p.Name, map[string]string{
		v1alpha1.LabelPreviewOf: p.Tenant, v1alpha1.LabelApplicationSet: p.Set,
		psa.EnforceLevelLabel: string(psa.LevelBaseline), psa.WarnLevelLabel: string(psa.LevelRestricted),
	})
	ns.Annotations = map[string]string{v1alpha1.AnnotationPreviewFor: p.Application}
	if ensured != "" {
		ns.Annotations[annotationEnsured] = ensured
	}
	return ns
}

func (p Preview) objects() []client.Object {
	var people []rbacv1.Subject
	for _, members := range []string{"maintainers", "developers", "viewers"} {
		people = append(people, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: authz.TenantGroup(p.Tenant, members)})
	}
	see := roleBinding(p.Name, "slipway-viewers", authz.RoleViewer, people[0])
	see.Subjects = people
	out := []client.Object{
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: p.Name, Name: v1alpha1.DeployerServiceAccount}, AutomountServiceAccountToken: ptr.To(false)},
		roleBinding(p.Name, "slipway-deployer", authz.RoleDeployer,
			rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: p.Name, Name: v1alpha1.DeployerServiceAccount}),
		see,
	}
	if len(p.Quota) > 0 {
		out = append(out, &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: p.Name, Name: "slipway-preview"}, Spec: corev1.ResourceQuotaSpec{Hard: p.Quota}})
	}
	if !p.Untrusted {
		pull := roleBinding(p.Tenant, pullBinding(p.Name), authz.RolePuller,
			rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts:" + p.Name})
		pull.Labels = map[string]string{v1alpha1.LabelApplicationSet: p.Set}
		out = append(out, pull)
	}
	return out
}

func pullBinding(preview string) string { return "slipway-pull-" + preview }

// tenantsOwn are the network policies, quotas and limits of the tenant's namespace, as
// they are to be in the preview.
func tenantsOwn(ctx context.Context, read client.Reader, p Preview) ([]client.Object, error) {
	policies, quotas, limits := &networkingv1.NetworkPolicyList{}, &corev1.ResourceQuotaList{}, &corev1.LimitRangeList{}
	for _, list := range []client.ObjectList{policies, quotas, limits} {
		if err := read.List(ctx, list, client.InNamespace(p.Tenant)); err != nil {
			return nil, err
		}
	}
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: p.Name, Name: copied + name, Labels: map[string]string{v1alpha1.LabelPreviewOf: p.Tenant}}
	}
	var out []client.Object
	for _, o := range policies.Items {
		if o.Labels[v1alpha1.LabelApplication] == "" { // those of applications come with them
			out = append(out, &networkingv1.NetworkPolicy{ObjectMeta: meta(o.Name), Spec: o.Spec})
		}
	}
	for _, o := range quotas.Items {
		out = append(out, &corev1.ResourceQuota{ObjectMeta: meta(o.Name), Spec: o.Spec})
	}
	for _, o := range limits.Items {
		out = append(out, &corev1.LimitRange{ObjectMeta: meta(o.Name), Spec: o.Spec})
	}
	return out, nil
}

// stale removes copies of what the tenant has no longer.
func stale(ctx context.Context, c client.Client, p Preview, copies []client.Object) error {
	kept := map[string]bool{}
	for _, o := range copies {
		kept[fmt.Sprintf("%T %s", o, o.GetName())] = true
	}
	policies, quotas, limits := &networkingv1.NetworkPolicyList{}, &corev1.ResourceQuotaList{}, &corev1.LimitRangeList{}
	var have []client.Object
	for _, list := range []client.ObjectList{policies, quotas, limits} {
		if err := c.List(ctx, list, client.InNamespace(p.Name), client.MatchingLabels{v1alpha1.LabelPreviewOf: p.Tenant}); err != nil {
			return err
		}
	}
	for i := range policies.Items {
		have = append(have, &policies.Items[i])
	}
	for i := range quotas.Items {
		have = append(have, &quotas.Items[i])
	}
	for i := range limits.Items {
		have = append(have, &limits.Items[i])
	}
	for _, o := range have {
		if kept[fmt.Sprintf("%T %s", o, o.GetName())] {
			continue
		}
		if err := c.Delete(ctx, o); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

func digestOf(p Preview, copies []client.Object) string {
	text, err := json.Marshal([]any{p, copies})
	if err != nil {
		return "" // nothing is as it was
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Remove removes the namespace with all that is in it, and what was given to it.
// A namespace that is not a preview of the tenant's is not touched.
func (s Previews) Remove(ctx context.Context, tenant, name string) error {
	c, read := s.Client, s.Reader
	ns := &corev1.Namespace{}
	err := read.Get(ctx, types.NamespacedName{Name: name}, ns)
	if err == nil && ns.Labels[v1alpha1.LabelPreviewOf] != tenant {
		return fmt.Errorf("namespace %s is not a preview of %s", name, tenant)
	}
	if err == nil && ns.DeletionTimestamp == nil {
		uid := ns.UID
		err = c.Delete(ctx, ns, client.Preconditions{UID: &uid})
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("preview %s: %w", name, err)
	}
	pull := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: pullBinding(name)}}
	if err := c.Delete(ctx, pull); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("preview %s: %w", name, err)
	}
	return nil
}
