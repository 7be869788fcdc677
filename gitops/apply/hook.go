package apply

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"slipway.dev/cluster/api/v1alpha1"
)

// annotationHookRun names the release and phase that a hook was made for, so that a
// crash after it was made does not make it again.
const annotationHookRun = "slipway.dev/hook-run"

// StartHook makes the object of a hook, once for a release and phase, and returns its
// UID. It holds a finalizer until DropHook, so that nothing that is over vanishes before
// it was seen. An older one of the name is deleted first, if its policy says so, and an
// empty UID says that it is not gone yet.
func (a *Applier) StartHook(ctx context.Context, t Target, h Hook) (uid string, err error) {
	p, err := a.place(ctx, t)
	if err != nil {
		return "", err
	}
	desired, _, err := a.desired(ctx, p, t, []*unstructured.Unstructured{h.Object})
	if err != nil {
		return "", err
	}
	o := desired[0]
	run := t.release() + "/" + h.Phase
	live, err := get(ctx, p.client, o)
	if err != nil {
		return "", explain(err)
	}
	if live != nil {
		switch {
		case live.GetAnnotations()[annotationHookRun] == run && t.owns(live):
			return string(live.GetUID()), nil
		case !t.owns(live) && live.GetLabels()[v1alpha1.LabelApplication] != "":
			return "", refuse("%s: belongs to application %q", title(o), live.GetLabels()[v1alpha1.LabelApplication])
		case slices.Contains(h.Policies, BeforeHookCreation):
			if gone, err := a.deleteHook(ctx, p, live); err != nil || !gone {
				return "", err
			}
		}
	}
	notes := o.GetAnnotations()
	if notes == nil {
		notes = map[string]string{}
	}
	notes[annotationHookRun] = run
	o.SetAnnotations(notes)
	controllerutil.AddFinalizer(o, v1alpha1.HookFinalizer)
	if err := a.ensureNamespace(ctx, p, t, desired); err != nil {
		return "", err
	}
	err = p.client.Patch(ctx, o, client.Apply, client.FieldOwner(FieldManager), client.ForceOwnership) //nolint:staticcheck // Patch returns the object as it is then
	if err != nil {
		if live != nil && apierrors.IsInvalid(err) {
			err = lasting(o, err)
		}
		return "", conceal([]*unstructured.Unstructured{h.Object}, a.named(ctx, p, t, explain(fmt.Errorf("%s: %w", title(o), err))))
	}
	return string(o.GetUID()), nil
}

// lasting explains that a hook is still there from before and has another content now.
func lasting(o *unstructured.Unstructured, err error) error {
	return fmt.Errorf("%s is there from an earlier release and cannot change; add %s to its %s: %w",
		title(o), BeforeHookCreation, v1alpha1.AnnotationHookDeletePolicy, err)
}

// Hook says how the object of a hook with that UID is: whether it has ended, and how. One
// that is not there has failed.
func (a *Applier) Hook(ctx context.Context, t Target, ref v1alpha1.ObjectReference, uid string) (done, succeeded bool, message string, err error) {
	p, err := a.place(ctx, t)
	if err != nil {
		return false, false, "", err
	}
	checks, err := a.compiled(t)
	if err != nil {
		return false, false, "", refuse("%s", err)
	}
	live, err := find(ctx, p.reader, ref)
	if err != nil {
		return false, false, "", err
	}
	if live == nil || string(live.GetUID()) != uid {
		return true, false, "was deleted before it had finished", nil
	}
	done, succeeded, message = checks.Finished(live)
	return done, succeeded, message, nil
}

// DropHook lets go of a hook whose end was written down, and deletes it if asked. One
// that is gone, or another object of its name, is left alone.
func (a *Applier) DropHook(ctx context.Context, t Target, ref v1alpha1.ObjectReference, uid string, remove bool) error {
	p, err := a.placeFor(ctx, t, ref.Namespace)
	if err != nil {
		return err
	}
	live, err := find(ctx, p.client, ref)
	if err != nil || live == nil {
		return err
	}
	if (uid != "" && string(live.GetUID()) != uid) || live.GetLabels()[v1alpha1.LabelApplication] != t.Application {
		return nil
	}
	if remove {
		_, err := a.deleteHook(ctx, p, live)
		return err
	}
	return release(ctx, p, live)
}

// deleteHook deletes an object of ours, whatever it still holds of ours, and says
// whether it is gone.
func (a *Applier) deleteHook(ctx context.Context, p *place, live *unstructured.Unstructured) (gone bool, err error) {
	if err := release(ctx, p, live); err != nil {
		return false, err
	}
	if live.GetDeletionTimestamp() == nil {
		uid := live.GetUID()
		err := p.client.Delete(ctx, live, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &uid})
		if err != nil && !apierrors.IsNotFound(err) {
			return false, explain(err)
		}
	}
	rest, err := get(ctx, p.client, live)
	return err == nil && (rest == nil || rest.GetUID() != live.GetUID()), err
}

// release takes our finalizer off an object.
func release(ctx context.Context, p *place, live *unstructured.Unstructured) error {
	if !controllerutil.ContainsFinalizer(live, v1alpha1.HookFinalizer) {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(live.GetFinalizers()), func(f string) bool { return f == v1alpha1.HookFinalizer })
	patch := &unstructured.Unstructured{}
	patch.SetGroupVersionKind(live.GroupVersionKind())
	patch.SetNamespace(live.GetNamespace())
	patch.SetName(live.GetName())
	body, err := finalizerPatch(live, rest)
	if err != nil {
		return err
	}
	err = p.client.Patch(ctx, patch, client.RawPatch(types.MergePatchType, body), client.FieldOwner(FieldManager))
	return client.IgnoreNotFound(err)
}
