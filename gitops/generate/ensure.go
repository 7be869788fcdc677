package generate

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"slipway.dev/cluster/addons"
	"slipway.dev/cluster/api/v1alpha1"
)

// ensure the namespace, where there is one, and then the application.
func (w *work) ensure(ctx context.Context, item Item, app *v1alpha1.Application) (*v1alpha1.Application, error) {
	if w.set.Spec.Template.Preview != nil {
		if err := w.space(ctx, item, app); err != nil {
			return nil, err
		}
	}
	have := w.apps[app.Name]
	if have == nil {
		return w.create(ctx, item, app)
	}
	if !have.DeletionTimestamp.IsZero() {
		return nil, fmt.Errorf("application %s of before is still being removed", have.Name)
	}
	changed := have.Annotations[annotationMade] != app.Annotations[annotationMade]
	if changed {
		kept := have.Spec
		have.Spec = app.Spec
		have.Spec.Desired, have.Spec.Pin, have.Spec.PinnedBy = kept.Desired, kept.Pin, kept.PinnedBy
		have.Spec.Retry, have.Spec.ConfirmPrune, have.Spec.Resync = kept.Retry, kept.ConfirmPrune, kept.Resync
		have.Labels, have.Annotations = overlay(have.Labels, app.Labels), overlay(have.Annotations, app.Annotations)
	}
	if desire(item, have) || changed {
		return have, w.Client.Update(ctx, have)
	}
	return have, nil
}

// space makes the namespace whole, unless it was a moment ago.
func (w *work) space(ctx context.Context, item Item, app *v1alpha1.Application) error {
	p := addons.Preview{
		Tenant: w.set.Namespace, Name: app.Spec.Namespace, Set: w.set.Name, Application: app.Name, Untrusted: item.Fork, Quota: corev1.ResourceList{},
	}
	for k, q := range w.set.Spec.Template.Preview.Quota {
		p.Quota[corev1.ResourceName(k)] = q
	}
	if len(p.Quota) == 0 {
		p.Quota = defaultQuota()
	}
	w.mu.Lock()
	fresh := time.Since(w.whole[p.Name]) < afresh
	w.mu.Unlock()
	if ns := w.spaces[p.Name]; fresh && ns != nil && ns.DeletionTimestamp.IsZero() && w.apps[app.Name] != nil {
		return nil
	}
	if err := w.Spaces.Ensure(ctx, p); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.whole == nil {
		w.whole = map[string]time.Time{}
	}
	w.whole[p.Name] = time.Now()
	return nil
}

func (w *work) create(ctx context.Context, item Item, app *v1alpha1.Application) (*v1alpha1.Application, error) {
	if err := controllerutil.SetControllerReference(w.set, app, w.Client.Scheme()); err != nil {
		return nil, err
	}
	desire(item, app)
	err := w.Client.Create(ctx, app)
	if apierrors.IsAlreadyExists(err) {
		other := &v1alpha1.Application{}
		if err := w.Reader.Get(ctx, client.ObjectKeyFromObject(app), other); err != nil {
			return nil, err
		}
		if !metav1.IsControlledBy(other, w.set) {
			return nil, fmt.Errorf("application %s exists and is not of this set", app.Name)
		}
		return other, nil
	}
	if err == nil {
		w.event(w.set, corev1.EventTypeNormal, "Created", "application %s of %s", app.Name, item.what())
	}
	return app, err
}

// desire writes the commit of a merge request, which no branch of the repository has,
// and says whether that changed anything.
func desire(item Item, app *v1alpha1.Application) bool {
	if item.Number == 0 || app.Spec.Sync != "manual" {
		return false
	}
	have := app.Spec.Desired
	if have != nil && (have.Commit == item.Commit || have.Sequence > item.Sequence) {
		return false
	}
	by := item.By
	if by == "" {
		by = item.what()
	}
	app.Spec.Desired = &v1alpha1.Desired{Commit: item.Commit, Sequence: item.Sequence, By: by, Cause: v1alpha1.CauseGenerator}
	return true
}

func overlay(under, over map[string]string) map[string]string {
	out := maps.Clone(under)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, over)
	return out
}
