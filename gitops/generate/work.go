package generate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
