package generate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"slipway.dev/cluster/addons"
	"slipway.dev/cluster/api/v1alpha1"
)

// work is one pass over one set.
type work struct {
	*Controller
	set *v1alpha1.ApplicationSet
	// apps that the set owns, by name.
	apps map[string]*v1alpha1.Application
	// spaces are the namespaces of its previews, by name.
	spaces map[string]*corev1.Namespace
	// keep names those that stay.
	keep    map[string]bool
	entries []v1alpha1.GeneratedApplication
	// count of applications that are there and stay; left of those that go.
	count, left int
	busy        bool
}

// load what the set owns already.
func (w *work) load(ctx context.Context) error {
	list := &v1alpha1.ApplicationList{}
	if err := w.Reader.List(ctx, list, client.InNamespace(w.set.Namespace), client.MatchingLabels{v1alpha1.LabelApplicationSet: w.set.Name}); err != nil {
		return err
	}
	w.apps = map[string]*v1alpha1.Application{}
	for i := range list.Items {
		if app := &list.Items[i]; metav1.IsControlledBy(app, w.set) {
			w.apps[app.Name] = app
		}
	}
	spaces := &corev1.NamespaceList{}
	if err := w.Reader.List(ctx, spaces, client.MatchingLabels{v1alpha1.LabelPreviewOf: w.set.Namespace, v1alpha1.LabelApplicationSet: w.set.Name}); err != nil {
		return err
	}
	w.spaces = map[string]*corev1.Namespace{}
	for i := range spaces.Items {
		w.spaces[spaces.Items[i].Name] = &spaces.Items[i]
	}
	return nil
}

// make what the generators ask for. An error means that nothing may be taken away.
func (w *work) make(ctx context.Context) error {
	found, err := w.find(ctx, w.set)
	if err != nil {
		for _, name := range slices.Sorted(maps.Keys(w.apps)) {
			w.entries = append(w.entries, w.entry(Item{}, w.apps[name]))
			w.count++
		}
		return err
	}
	made := map[string]string{}
	for _, app := range w.apps {
		made[app.Annotations[annotationItem]] = app.Name
	}
	// Those that are there already come before new ones where there is a limit.
	slices.SortStableFunc(found, func(a, b Item) int {
		_, x := made[a.key()]
		_, y := made[b.key()]
		switch {
		case x == y:
			return 0
		case x:
			return -1
		}
		return 1
	})
	limit := w.set.Spec.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	taken := map[string]Item{}
	done := map[string]bool{}
	for _, item := range found {
		if done[item.key()] {
			continue // two generators found it
		}
		done[item.key()] = true
		have := made[item.key()]
		pending := func(format string, args ...any) {
			e := w.entry(item, w.apps[have])
			e.Message = fmt.Sprintf(format, args...)
			if have != "" {
				w.keep[have] = true
				w.count++
			} else {
				e.Phase = v1alpha1.GeneratedPending
			}
			w.entries = append(w.entries, e)
		}
		app, err := build(w.set, item)
		if err != nil {
			pending("%v", err)
			continue
		}
		if other, twice := taken[app.Name]; twice {
			pending("the name %s is taken by %s; rename one of them", app.Name, other.what())
			continue
		}
		if have == "" && w.count >= limit {
			pending("over spec.limit of %d applications", limit)
			continue
		}
		if why := w.waits(item); why != "" {
			pending("%s", why)
			continue
		}
		taken[app.Name] = item
		w.keep[app.Name] = true
		now, err := w.ensure(ctx, item, app)
		if err != nil {
			if apierrors.IsConflict(err) {
				return err
			}
			w.busy = true
			pending("%v", err)
			continue
		}
		w.count++
		w.entries = append(w.entries, w.entry(item, now))
	}
	return nil
}

// waits says what an item waits for before anything is made of it, or "".
func (w *work) waits(item Item) string {
	switch {
	case item.Number > 0 && item.Commit == "":
		return "its commit has not been fetched yet"
	case item.Fork && item.Forks == v1alpha1.ForksApproved && !approved(w.set, item):
		return fmt.Sprintf("commit %.12s is from a fork, by %.60s, and waits for an approval: `slipway appset approve %s %d --commit %s`",
			item.Commit, item.By, w.set.Name, item.Number, item.Commit)
	}
	return ""
}

func approved(set *v1alpha1.ApplicationSet, item Item) bool {
	return slices.ContainsFunc(set.Status.ForkApprovals, func(a v1alpha1.ForkApproval) bool {
		return a.Number == item.Number && a.Commit == item.Commit
	})
}

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
		have.Spec.Retry, have.Spec.ConfirmPrune = kept.Retry, kept.ConfirmPrune
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

// entry of an item in the status.
func (w *work) entry(item Item, app *v1alpha1.Application) v1alpha1.GeneratedApplication {
	e := v1alpha1.GeneratedApplication{
		Directory: item.Directory, Branch: item.Branch, Number: item.Number, Commit: item.Commit, Phase: v1alpha1.GeneratedPending,
	}
	if app == nil {
		return e
	}
	s := app.Status
	e.Name, e.Phase, e.Release, e.Health, e.Sync, e.Addresses = app.Name, v1alpha1.GeneratedRunning, s.Current, s.Health, s.Sync, s.Addresses
	if app.Spec.Namespace != app.Namespace {
		e.Namespace = app.Spec.Namespace
	}
	e.Message = s.Message
	if len(e.Message) > 300 {
		e.Message = strings.ToValidUTF8(e.Message[:300], "") + "…"
	}
	return e
}

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

// removeSpaces removes namespaces of previews without an application.
func (w *work) removeSpaces(ctx context.Context) error {
	for _, key := range slices.Sorted(maps.Keys(w.spaces)) {
		ns := w.spaces[key]
		name := ns.Annotations[v1alpha1.AnnotationPreviewFor]
		if w.keep[name] || w.apps[name] != nil {
			continue
		}
		err := w.Reader.Get(ctx, types.NamespacedName{Namespace: w.set.Namespace, Name: name}, &v1alpha1.Application{})
		if err == nil {
			continue // of somebody else, in this namespace
		}
		if !apierrors.IsNotFound(err) {
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
