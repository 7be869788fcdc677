package apply

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// scope keeps a set where its account may write. At home that is the tenant's namespace;
// beyond it, and for kinds of the whole cluster, RBAC is asked, and by default says no.
// Elsewhere the credentials decide.
func (r *round) scope(ctx context.Context, o *unstructured.Unstructured) error {
	gvk := o.GroupVersionKind()
	mapping, err := r.p.client.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return r.unmapped(ctx, o)
	}
	if err != nil {
		return err
	}
	namespaced := mapping.Scope.Name() == meta.RESTScopeNameNamespace
	return r.allowed(ctx, o, mapping.Resource, namespaced)
}

// unmapped is about a kind that the cluster does not know: it is defined by the set
// itself, or the application says that it will be there in time.
func (r *round) unmapped(ctx context.Context, o *unstructured.Unstructured) error {
	gvk := o.GroupVersionKind()
	for _, crd := range r.objects {
		if crd.GetKind() != "CustomResourceDefinition" || field(crd, "spec", "group") != gvk.Group || field(crd, "spec", "names", "kind") != gvk.Kind {
			continue
		}
		r.unknown[o] = true
		resource := gvk.GroupVersion().WithResource(field(crd, "spec", "names", "plural"))
		namespaced := field(crd, "spec", "scope") != "Cluster"
		if !namespaced {
			o.SetNamespace("") // rendering cannot know
		}
		return r.allowed(ctx, o, resource, namespaced)
	}
	if option(o, "SkipDryRunOnMissingResource", r.t.Options.SkipDryRunOnMissingResource) {
		r.unknown[o] = true
		return nil
	}
	return refuse("%s: the cluster knows no kind %q in %s", title(o), gvk.Kind, o.GetAPIVersion())
}

func (r *round) allowed(ctx context.Context, o *unstructured.Unstructured, resource schema.GroupVersionResource, namespaced bool) error {
	t, ns := r.t, o.GetNamespace()
	if r.p.remote {
		_, err := r.namespace(ctx, ns)
		if err == nil && r.unborn(ns) && !r.makes(ns) {
			return refuse("%s: namespace %q does not exist; create it, or set spec.syncOptions.createNamespace", title(o), ns)
		}
		return err
	}
	where := t.where()
	missing := ""
	if namespaced {
		live, err := r.namespace(ctx, ns)
		switch {
		case err != nil:
			return err
		case live == nil && !r.makes(ns):
			missing = ", which does not exist"
		case ns == where && (ns == t.Namespace || live != nil && t.Account == "" && belongs(live, t.Namespace)):
			return nil
		}
	}
	yes := missing == ""
	for _, verb := range []string{"create", "patch"} {
		if !yes {
			break
		}
		var err error
		if yes, err = r.a.may(ctx, r.p.client, authorizationv1.ResourceAttributes{
			Namespace: ns, Verb: verb, Group: resource.Group, Version: resource.Version, Resource: resource.Resource, Name: o.GetName(),
		}); err != nil {
			return err
		}
	}
	unless := fmt.Sprintf("unless a role allows the service account %s more", r.p.account)
	switch {
	case yes:
		return nil
	case !namespaced:
		return refuse("%s: belongs to the whole cluster; an application may write only in namespace %q, %s", title(o), where, unless)
	case ns == where && missing != "":
		return refuse("namespace %q does not exist; create it, or set spec.syncOptions.createNamespace where a role allows it", ns)
	case ns == where:
		return refuse("namespace %q does not belong to %q; applications may write in their own namespace and in its previews, %s", ns, t.Namespace, unless)
	}
	return refuse("%s: names namespace %q%s; an application may write only in namespace %q, %s", title(o), ns, missing, where, unless)
}

// makes says whether a namespace comes with the set.
func (r *round) makes(namespace string) bool {
	if r.t.Options.CreateNamespace && namespace == r.t.where() {
		return true
	}
	for _, o := range r.objects {
		if o.GetKind() == "Namespace" && o.GetAPIVersion() == "v1" && o.GetName() == namespace {
			return true
		}
	}
	return false
}

// may asks RBAC what the client's own account may do.
func may(ctx context.Context, c client.Client, what authorizationv1.ResourceAttributes) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &what}}
	if err := c.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask whether %s of %s is allowed: %w", what.Verb, what.Resource, err)
	}
	return review.Status.Allowed, nil
}

// ensureNamespace makes the destination where the application asks for it, as its account.
func (a *Applier) ensureNamespace(ctx context.Context, p *place, t Target, objects []*unstructured.Unstructured) error {
	name := t.where()
	used := false
	for _, o := range objects {
		used = used || o.GetNamespace() == name
	}
	if !t.Options.CreateNamespace || !used || (!p.remote && name == t.Namespace) {
		return nil
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	err := p.reader.Get(ctx, client.ObjectKeyFromObject(ns), ns)
	if !apierrors.IsNotFound(err) {
		return err
	}
	if err := p.client.Create(ctx, ns, client.FieldOwner(FieldManager)); err != nil && !apierrors.IsAlreadyExists(err) {
		return explain(fmt.Errorf("create namespace %q (spec.syncOptions.createNamespace): %w", name, err))
	}
	return nil
}

// podSecurity evaluates pods and pod templates at the level that the namespace
// enforces; a namespace at home that says nothing, or is to be made, gets baseline.
func (a *Applier) podSecurity(namespace *corev1.Namespace, o *unstructured.Unstructured, remote bool) error {
	template := render.PodTemplate(o.Object)
	if template == nil {
		return nil
	}
	standard := psa.LevelVersion{Level: psa.LevelBaseline, Version: psa.LatestVersion()}
	if remote {
		standard.Level = psa.LevelPrivileged
	}
	var labels map[string]string
	if namespace != nil {
		labels = namespace.Labels
	}
	level, faults := psa.PolicyToEvaluate(labels, psa.Policy{Enforce: standard, Warn: standard, Audit: standard})
	if len(faults) > 0 {
		level.Enforce = standard
	}
	var pod struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
		Spec     corev1.PodSpec    `json:"spec"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod); err != nil {
		return refuse("%s: pod: %v", title(o), err)
	}
	result := policy.AggregateCheckResults(a.evaluator.EvaluatePod(level.Enforce, &pod.Metadata, &pod.Spec))
	if !result.Allowed {
		return refuse("%s: its pods violate the pod security level %q of namespace %q: %s",
			title(o), level.Enforce.Level, o.GetNamespace(), result.ForbiddenDetail())
	}
	return nil
}

// ownership refuses what belongs to another application, and what belongs to nobody
// unless it may be adopted. live is read where it is not given.
func (r *round) ownership(ctx context.Context, o, live *unstructured.Unstructured) error {
	if live == nil {
		var err error
		if live, err = get(ctx, r.p.client, o); err != nil || live == nil {
			return err
		}
	}
	if r.t.owns(live) {
		return nil
	}
	owner := live.GetLabels()[v1alpha1.LabelApplication]
	space := live.GetLabels()[v1alpha1.LabelApplicationNamespace]
	if owner != "" {
		where := ""
		if space == "" {
			space = live.GetNamespace()
		} else {
			where = " of namespace " + space
		}
		if gone, err := r.a.gone(ctx, space, owner); err != nil {
			return err
		} else if !gone {
			return refuse("%s: belongs to application %q%s; take it out of that one first", title(o), owner, where)
		}
	}
	if r.t.Options.Adopt || o.GetAnnotations()[v1alpha1.AnnotationAdopt] == "true" || live.GetAnnotations()[v1alpha1.AnnotationAdopt] == "true" {
		return nil
	}
	return refuse("%s: exists already and belongs to no application; to take it over, set spec.syncOptions.adopt: true or annotate it %s: \"true\"",
		title(o), v1alpha1.AnnotationAdopt)
}

// owns says whether a live object is the target's.
func (t Target) owns(live *unstructured.Unstructured) bool {
	labels := live.GetLabels()
	if labels[v1alpha1.LabelApplication] == t.Application {
		space := labels[v1alpha1.LabelApplicationNamespace]
		return space == t.Namespace || (space == "" && !t.away(live.GetNamespace()))
	}
	if labels[v1alpha1.LabelApplication] != "" {
		return false
	}
	id := identity(reference(live))
	for _, k := range t.Known {
		if identity(k) == id {
			return true
		}
	}
	return false
}

// gone says whether an application does not exist any more.
func (a *Applier) gone(ctx context.Context, namespace, name string) (bool, error) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Application"))
	err := a.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

// named adds to an error about a namespace that is being deleted what it waits for.
func (a *Applier) named(ctx context.Context, p *place, t Target, err error) error {
	if !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return err
	}
	for _, name := range []string{t.where(), t.Namespace} {
		ns := &corev1.Namespace{}
		if p.reader.Get(ctx, client.ObjectKey{Name: name}, ns) != nil || ns.DeletionTimestamp == nil {
			continue
		}
		return &Waiting{Message: goes(ns)}
	}
	return err
}

// goes says of a namespace that is being deleted what it waits for.
func goes(ns *corev1.Namespace) string {
	text := fmt.Sprintf("namespace %q is being deleted since %s", ns.Name, ns.DeletionTimestamp.UTC().Format("2006-01-02 15:04:05"))
	for _, c := range ns.Status.Conditions {
		if c.Status == corev1.ConditionTrue {
			text += "; " + c.Message
		}
	}
	return text
}

func field(o *unstructured.Unstructured, fields ...string) string {
	s, _, _ := unstructured.NestedString(o.Object, fields...)
	return s
}
