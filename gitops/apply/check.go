package apply

import (
	"context"
	"errors"
	"fmt"

	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// Refusal is a fault of the set, not of the moment: trying again does not help.
type Refusal struct{ Message string }

// Error is the message.
func (r *Refusal) Error() string { return r.Message }

func refuse(format string, args ...any) error {
	return &Refusal{Message: fmt.Sprintf(format, args...)}
}

// Check refuses a set before anything changes: a destination that is not the tenant's,
// objects outside of it, pods that the namespace's pod security level forbids (the apiserver
// would accept the Deployment and refuse its pods later), objects of another
// application, and whatever a server-side dry-run as the deployer does not accept.
func (a *Applier) Check(ctx context.Context, t Target, objects []*unstructured.Unstructured) error {
	namespace, err := a.destination(ctx, t)
	if err != nil {
		return err
	}
	deployer, err := a.deployer(t.where())
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := a.scope(ctx, t, deployer.RESTMapper(), o); err != nil {
			return err
		}
	}
	for _, o := range objects {
		if err := a.podSecurity(namespace, o); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, o := range label(t, objects) {
		g.Go(func() error { return a.dryRun(ctx, deployer, t, o) })
	}
	return conceal(objects, g.Wait())
}

// scope keeps a set within its destination.
func (a *Applier) scope(ctx context.Context, t Target, mapper meta.RESTMapper, o *unstructured.Unstructured) error {
	gvk := o.GroupVersionKind()
	mapping, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return refuse("%s: the cluster knows no kind %q in %s", title(o), gvk.Kind, o.GetAPIVersion())
	}
	if err != nil {
		return err
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return refuse("%s: belongs to the whole cluster; an application may write only in namespace %q", title(o), t.where())
	}
	if ns := o.GetNamespace(); ns != t.where() {
		missing := ""
		if err := a.reader.Get(ctx, types.NamespacedName{Name: ns}, &corev1.Namespace{}); apierrors.IsNotFound(err) {
			missing = ", which does not exist"
		}
		return refuse("%s: names namespace %q%s; an application may write only in namespace %q", title(o), ns, missing, t.where())
	}
	return nil
}

// podSecurity evaluates pods and pod templates at the level that the namespace
// enforces; a namespace that says nothing gets baseline.
func (a *Applier) podSecurity(namespace *corev1.Namespace, o *unstructured.Unstructured) error {
	template := render.PodTemplate(o.Object)
	if template == nil {
		return nil
	}
	baseline := psa.LevelVersion{Level: psa.LevelBaseline, Version: psa.LatestVersion()}
	level, faults := psa.PolicyToEvaluate(namespace.Labels, psa.Policy{Enforce: baseline, Warn: baseline, Audit: baseline})
	if len(faults) > 0 {
		level.Enforce = baseline
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
			title(o), level.Enforce.Level, namespace.Name, result.ForbiddenDetail())
	}
	return nil
}

// dryRun asks the apiserver, as the deployer, what it would say.
func (a *Applier) dryRun(ctx context.Context, deployer client.Client, t Target, o *unstructured.Unstructured) error {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(o.GroupVersionKind())
	err := deployer.Get(ctx, client.ObjectKeyFromObject(o), live)
	if err != nil && !apierrors.IsNotFound(err) {
		return explain(ssaerrors.NewDryRunErr(err, o))
	}
	if owner := live.GetLabels()[v1alpha1.LabelApplication]; err == nil && owner != "" && owner != t.Application {
		return refuse("%s: belongs to application %q", title(o), owner)
	}
	exists := err == nil
	dry := o.DeepCopy()
	err = deployer.Patch(ctx, dry, client.Apply, client.DryRunAll, client.ForceOwnership, client.FieldOwner(FieldManager))
	if err == nil {
		return nil
	}
	if exists && o.GetAnnotations()[AnnotationRecreate] == "true" && apierrors.IsInvalid(err) && a.fresh(ctx, deployer, o) {
		return nil
	}
	return explain(ssaerrors.NewDryRunErr(err, o))
}

// fresh says whether the object would be accepted if it did not exist yet.
func (a *Applier) fresh(ctx context.Context, deployer client.Client, o *unstructured.Unstructured) bool {
	dry := o.DeepCopy()
	dry.SetName("")
	dry.SetGenerateName(o.GetName()[:min(len(o.GetName()), 40)] + "-")
	return deployer.Create(ctx, dry, client.DryRunAll) == nil
}

// explain turns an answer that will not change by itself into a Refusal.
func explain(err error) error {
	var unavailable interface{ Timeout() bool }
	switch {
	case errors.As(err, &unavailable) && unavailable.Timeout():
		return err
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsForbidden(err), apierrors.IsNotFound(err),
		apierrors.IsMethodNotSupported(err), apierrors.IsRequestEntityTooLargeError(err), meta.IsNoMatchError(err),
		apierrors.IsUnsupportedMediaType(err), apierrors.ReasonForError(err) == metav1.StatusReasonInvalid:
		return refuse("%s", err.Error())
	}
	// A field of the wrong type is answered 500 by server-side apply ("failed to create typed patch object").
	if status := apierrors.APIStatus(nil); errors.As(err, &status) && status.Status().Code == 500 &&
		containsAny(status.Status().Message, "typed patch object", "field not declared in schema") {
		return refuse("%s", err.Error())
	}
	return err
}

func title(o *unstructured.Unstructured) string { return o.GetKind() + "/" + o.GetName() }
