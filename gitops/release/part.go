package release

import (
	"context"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/render"
)

// selected is the set of a release of which only some objects were asked for: these are
// as the new set has them, and all others as they are applied now. It is a set like any
// other, so that drift, history and going back know what it is.
func (r *Reconciler) selected(ctx context.Context, app *v1alpha1.Application, desired v1alpha1.Desired, set *render.Set) (*render.Set, error) {
	if desired.Sync == nil || len(desired.Sync.Only) == 0 {
		return set, nil
	}
	var now []*unstructured.Unstructured
	if n := app.Status.Current; n > 0 {
		rel, err := r.release(ctx, app, n)
		if err != nil {
			return nil, err
		}
		current, err := r.setOf(ctx, app, rel, n)
		if err != nil {
			return nil, err
		}
		now = current.Copy()
	}
	asked := map[string]bool{}
	for _, name := range desired.Sync.Only {
		asked[strings.ToLower(name)] = false
	}
	want := func(o *unstructured.Unstructured) bool {
		name := strings.ToLower(o.GetKind() + "/" + o.GetName())
		if _, ok := asked[name]; !ok {
			return false
		}
		asked[name] = true
		return true
	}
	known := map[string]bool{}
	var objects []*unstructured.Unstructured
	for _, o := range now {
		known[o.GetKind()+"/"+o.GetName()] = true
		if !want(o) {
			objects = append(objects, o)
		}
	}
	for _, o := range set.Copy() {
		known[o.GetKind()+"/"+o.GetName()] = true
		if want(o) {
			objects = append(objects, o)
		}
	}
	for _, name := range desired.Sync.Only {
		if !asked[strings.ToLower(name)] {
			return nil, &apply.Refusal{Message: "no object " + name + " in the set; it has " + strings.Join(sorted(known), ", ")}
		}
	}
	return render.NewSet(objects)
}

func sorted(names map[string]bool) []string {
	out := make([]string, 0, len(names))
	for n := range names {
		out = append(out, n)
	}
	sort.Strings(out)
	if len(out) > 50 {
		out = append(out[:50], "…")
	}
	return out
}

// sameRequest compares what was asked of two synchronisations.
func sameRequest(a, b *v1alpha1.SyncRequest) bool {
	none := &v1alpha1.SyncRequest{}
	if a == nil {
		a = none
	}
	if b == nil {
		b = none
	}
	return a.KeepExtra == b.KeepExtra && strings.Join(a.Only, "\n") == strings.Join(b.Only, "\n")
}
