package generate

import (
	"context"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// takeAway what nothing stands behind any more: first the application, which prunes its
// objects, then its namespace with whatever is left in it.
func (w *work) takeAway(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(w.apps)) {
		app := w.apps[name]
		if w.keep[name] && app.DeletionTimestamp.IsZero() {
			continue
		}
		if app.DeletionTimestamp.IsZero() {
			uid := app.UID
			if err := w.Client.Delete(ctx, app, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
				return err
			}
			w.event(w.set, corev1.EventTypeNormal, "Removed", "application %s: %s is gone", app.Name, app.Annotations[annotationItem])
		}
		e := w.entry(Item{}, app)
		e.Phase, e.Message = v1alpha1.GeneratedRemoving, "its objects are being removed"
		w.entries = append(w.entries, e)
		w.left++
		w.busy = true
	}
	return w.removeSpaces(ctx)
}

// removeSpaces removes namespaces of previews that no application is in any more.
func (w *work) removeSpaces(ctx context.Context) error {
	for _, key := range slices.Sorted(maps.Keys(w.spaces)) {
		ns := w.spaces[key]
		name := ns.Annotations[v1alpha1.AnnotationPreviewFor]
		app, err := w.apps[name], error(nil)
		if app == nil { // made a moment ago, or somebody else's
			app = &v1alpha1.Application{}
			err = w.Reader.Get(ctx, types.NamespacedName{Namespace: w.set.Namespace, Name: name}, app)
		}
		switch {
		case err == nil && uses(app, ns.Name), apierrors.IsNotFound(err) && w.keep[name]:
			continue
		case client.IgnoreNotFound(err) != nil:
			return err
		}
		e := v1alpha1.GeneratedApplication{Name: name, Namespace: ns.Name, Phase: v1alpha1.GeneratedRemoving, Message: "its namespace is being removed"}
		if !ns.DeletionTimestamp.IsZero() {
			e.Message = stuck(ns)
		} else if err := w.Spaces.Remove(ctx, w.set.Namespace, ns.Name); err != nil {
			return err
		}
		w.mu.Lock()
		delete(w.whole, ns.Name)
		w.mu.Unlock()
		w.entries = append(w.entries, e)
		w.left++
		w.busy = true
	}
	return nil
}

// uses says whether an application is in a namespace, or still has objects there.
func uses(app *v1alpha1.Application, namespace string) bool {
	return app.Spec.Namespace == namespace || slices.ContainsFunc(app.Status.Inventory, func(r v1alpha1.ObjectReference) bool { return r.Namespace == namespace })
}

// stuck says why a namespace is still there.
func stuck(ns *corev1.Namespace) string {
	text := "its namespace is being removed since " + ns.DeletionTimestamp.UTC().Format("15:04:05 MST")
	for _, c := range ns.Status.Conditions {
		if c.Status == corev1.ConditionTrue && c.Message != "" {
			text += "; " + c.Message
		}
	}
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + "…"
	}
	return text
}
