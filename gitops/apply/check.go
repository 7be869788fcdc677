package apply

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
)

// Refusal is a fault of the set, not of the moment: trying again does not help.
type Refusal struct{ Message string }

// Error is the message.
func (r *Refusal) Error() string { return r.Message }

func refuse(format string, args ...any) error {
	return &Refusal{Message: fmt.Sprintf(format, args...)}
}

// Check refuses a set before anything changes: objects where the account may not write,
// pods that the namespace's pod security level forbids (the apiserver would accept the
// Deployment and refuse its pods later), objects of another application, and whatever a
// server-side dry-run as the account does not accept. It returns the fields that will
// be taken from others.
func (a *Applier) Check(ctx context.Context, t Target, objects []*unstructured.Unstructured) ([]v1alpha1.FieldConflict, error) {
	if err := ValidateIgnore(t.Ignore); err != nil {
		return nil, refuse("%s", err)
	}
	if _, err := a.compiled(t); err != nil {
		return nil, refuse("%s", err)
	}
	p, err := a.place(ctx, t)
	if err != nil {
		return nil, err
	}
	desired, _, err := a.desired(ctx, p, t, objects)
	if err != nil {
		return nil, err
	}
	r := &round{a: a, p: p, t: t, objects: desired, namespaces: map[string]*corev1.Namespace{}}
	if err := r.prepare(ctx); err != nil {
		return nil, conceal(objects, err)
	}
	var mu sync.Mutex
	var taken []v1alpha1.FieldConflict
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for _, o := range desired {
		if r.unknown[o] || r.unborn(o.GetNamespace()) {
			continue // nothing can be asked about it yet
		}
		g.Go(func() error {
			conflicts, err := r.dryRun(gctx, o)
			mu.Lock()
			defer mu.Unlock()
			taken = append(taken, conflicts...)
			return err
		})
	}
	err = conceal(objects, a.named(ctx, p, t, g.Wait()))
	slices.SortFunc(taken, func(x, y v1alpha1.FieldConflict) int {
		return slices.Compare([]string{x.Object, x.Manager}, []string{y.Object, y.Manager})
	})
	return taken, err
}

// round is one look at a whole set.
type round struct {
	a       *Applier
	p       *place
	t       Target
	objects []*unstructured.Unstructured
	// namespaces by name; nil is one that does not exist.
	namespaces map[string]*corev1.Namespace
	// unknown objects are of kinds that the cluster will know later.
	unknown map[*unstructured.Unstructured]bool
}

// prepare looks at what needs no dry-run: where objects go, and their pods.
func (r *round) prepare(ctx context.Context) error {
	r.unknown = map[*unstructured.Unstructured]bool{}
	where, err := r.namespace(ctx, r.t.where())
	switch {
	case err != nil:
		return err
	case where == nil && r.t.where() == r.t.Namespace && !r.p.remote:
		return refuse("namespace %q does not exist", r.t.Namespace)
	case where != nil && where.DeletionTimestamp != nil:
		return &Waiting{Message: goes(where)}
	}
	for _, o := range r.objects {
		if err := r.scope(ctx, o); err != nil {
			return err
		}
	}
	for _, o := range r.objects {
		ns, err := r.namespace(ctx, o.GetNamespace())
		if err != nil {
			return err
		}
		if err := r.a.podSecurity(ns, o, r.p.remote); err != nil {
			return err
		}
	}
	return nil
}

// namespace reads one, once; nil if it does not exist.
func (r *round) namespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	if ns, known := r.namespaces[name]; known || name == "" {
		return ns, nil
	}
	ns := &corev1.Namespace{}
	err := r.p.reader.Get(ctx, types.NamespacedName{Name: name}, ns)
	switch {
	case apierrors.IsNotFound(err):
		ns = nil
	case apierrors.IsForbidden(err) && r.p.remote:
		ns = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	case err != nil:
		return nil, err
	}
	r.namespaces[name] = ns
	return ns, nil
}

// unborn says whether a namespace will be made with the set.
func (r *round) unborn(name string) bool {
	ns, known := r.namespaces[name]
	return known && ns == nil
}

// dryRun asks the apiserver, as the account, what it would say.
func (r *round) dryRun(ctx context.Context, o *unstructured.Unstructured) ([]v1alpha1.FieldConflict, error) {
	if in, err := Read(o); err != nil {
		return nil, err
	} else if in.Hook && slices.Contains(in.Policies, BeforeHookCreation) {
		// The one that may be there is deleted first.
		if err := r.ownership(ctx, o, nil); err != nil {
			return nil, err
		}
		if err := r.a.fresh(ctx, r.p.client, o); err != nil {
			return nil, explain(ssaerrors.NewDryRunErr(err, o))
		}
		return nil, nil
	}
	live, err := get(ctx, r.p.client, o)
	if err != nil {
		return nil, explain(ssaerrors.NewDryRunErr(err, o))
	}
	if err := r.ownership(ctx, o, live); err != nil {
		return nil, err
	}
	seen := seenOf(ctx)
	if seen != nil && r.t.unchanged(o, live) {
		seen.note(live, true)
		return nil, nil
	}
	_, conflicts, err := r.a.submit(ctx, r.p, r.t, o, live, true)
	if err == nil {
		return conflicts, nil
	}
	if live != nil && apierrors.IsInvalid(err) && IsHook(o) {
		return conflicts, explain(lasting(o, err))
	}
	if live != nil && o.GetAnnotations()[AnnotationRecreate] == "true" && apierrors.IsInvalid(err) && r.a.fresh(ctx, r.p.client, o) == nil {
		return nil, nil
	}
	return conflicts, explain(ssaerrors.NewDryRunErr(err, o))
}

// wholeValue is what the apiserver quotes of a field that cannot change: all of it.
var wholeValue = regexp.MustCompile(`Invalid value: \{.*\}: `)

// explain turns an answer that will not change by itself into a Refusal.
func explain(err error) error {
	var unavailable interface{ Timeout() bool }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unavailable) && unavailable.Timeout(), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return err
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsForbidden(err), apierrors.IsNotFound(err),
		apierrors.IsMethodNotSupported(err), apierrors.IsRequestEntityTooLargeError(err), meta.IsNoMatchError(err),
		apierrors.IsUnsupportedMediaType(err), apierrors.ReasonForError(err) == metav1.StatusReasonInvalid:
		return refuse("%s", wholeValue.ReplaceAllString(err.Error(), ""))
	}
	// A field of the wrong type is answered 500 by server-side apply ("failed to create typed patch object").
	if status := apierrors.APIStatus(nil); errors.As(err, &status) && status.Status().Code == 500 &&
		containsAny(status.Status().Message, "typed patch object", "field not declared in schema") {
		return refuse("%s", err.Error())
	}
	return err
}

func title(o *unstructured.Unstructured) string {
	if o.GetName() == "" {
		return o.GetKind() + "/" + o.GetGenerateName()
	}
	return o.GetKind() + "/" + o.GetName()
}
