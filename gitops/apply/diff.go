package apply

import (
	"context"
	"slices"
	"strings"

	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	"github.com/pmezard/go-difflib/difflib"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

// What would become of an object.
const (
	Created    = "created"
	Configured = "configured"
	Removed    = "deleted"
)

// Change is what applying would do to one object. Data of Secrets is masked.
type Change struct {
	Object v1alpha1.ObjectReference `json:"object"`
	// Action: created, configured, unchanged, deleted.
	Action string `json:"action"`
	// Diff is a unified diff of YAML, live to desired.
	Diff string `json:"diff,omitempty"`
	// Fields that differ, and who else manages them.
	Fields   []string `json:"fields,omitempty"`
	Managers []string `json:"managers,omitempty"`
}

// maxFields of one change are named.
const maxFields = 20

// Diff says what applying the objects would change, by a server-side dry-run, and
// what of the inventory would be pruned. Fields that are left to others do not count.
func (a *Applier) Diff(ctx context.Context, t Target, objects []*unstructured.Unstructured, inventory []v1alpha1.ObjectReference) ([]Change, error) {
	p, err := a.place(ctx, t)
	if err != nil {
		return nil, err
	}
	desired, _, err := a.desired(ctx, p, t, objects)
	if err != nil {
		return nil, err
	}
	// What is asked is what would be, not whether it is allowed.
	t.Options.Conflicts = "take"
	refs := Inventory(objects)
	var changes []Change
	for i, o := range desired {
		change, err := a.compare(ctx, p, t, o)
		if err != nil {
			return nil, conceal(objects, explain(err))
		}
		change.Object = refs[i]
		changes = append(changes, change)
	}
	for _, r := range Minus(inventory, refs) {
		if keeps(r.Group, r.Kind) {
			continue
		}
		live, err := find(ctx, p.client, r)
		if err != nil {
			return nil, err
		}
		if live != nil && t.owns(live) && protection(live) == "" {
			changes = append(changes, Change{Object: identityWithVersion(r), Action: Removed})
		}
	}
	return changes, nil
}

func (a *Applier) compare(ctx context.Context, p *place, t Target, o *unstructured.Unstructured) (Change, error) {
	live, err := get(ctx, p.client, o)
	if err != nil && !meta.IsNoMatchError(err) {
		return Change{}, ssaerrors.NewDryRunErr(err, o)
	}
	if live == nil {
		return Change{Action: Created, Diff: unified(nil, mask(o))}, nil
	}
	merged, _, err := a.submit(ctx, p, t, o, live, true)
	if apierrors.IsInvalid(err) && o.GetAnnotations()[AnnotationRecreate] == "true" {
		// It would be made anew.
		merged, err = o, nil
	}
	if err != nil {
		return Change{}, ssaerrors.NewDryRunErr(err, o)
	}
	before, after := bare(live), bare(merged)
	for _, o := range []*unstructured.Unstructured{before, after} {
		// It names the release that changed the object last, which need not be this one.
		unstructured.RemoveNestedField(o.Object, "metadata", "labels", v1alpha1.LabelRelease)
	}
	managed := live
	rules := t.ignores(o)
	if len(rules) > 0 {
		before.SetManagedFields(managed.GetManagedFields())
		strip(before, after, rules)
		before.SetManagedFields(nil)
	}
	fields := differences(before.Object, after.Object, nil, maxFields, nil)
	if len(fields) == 0 {
		return Change{Action: Unchanged}, nil
	}
	change := Change{Action: Configured, Managers: managersOfFields(live, fields)}
	for _, f := range fields {
		change.Fields = append(change.Fields, f.String())
	}
	change.Diff = unified(maskBoth(before, after))
	return change, nil
}

// managersOfFields names who else manages one of the fields, or something within.
func managersOfFields(live *unstructured.Unstructured, fields []pointer) []string {
	var out []string
	for _, m := range managersOf(live) {
		if m.name == FieldManager || m.subresource == "status" || slices.Contains(out, m.name) {
			continue
		}
		m.fields.Leaves().Iterate(func(path fieldpath.Path) {
			p, ok := resolve(path, live.Object)
			if !ok || slices.Contains(out, m.name) {
				return
			}
			for _, f := range fields {
				if n := min(len(f), len(p)); slices.Equal(f[:n], p[:n]) {
					out = append(out, m.name)
					return
				}
			}
		})
	}
	return out
}

// mask hides the data of a Secret that is not there yet.
func mask(o *unstructured.Unstructured) *unstructured.Unstructured {
	_, masked := maskBoth(nil, o)
	return masked
}

func unified(live, desired *unstructured.Unstructured) string {
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(live), B: lines(desired), FromFile: "live", ToFile: "desired", Context: 3,
	})
	if err != nil {
		return err.Error()
	}
	return text
}

// bare is a copy without what only the apiserver writes.
func bare(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	for _, f := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"} {
		unstructured.RemoveNestedField(o.Object, "metadata", f)
	}
	unstructured.RemoveNestedField(o.Object, "status")
	unstructured.RemoveNestedField(o.Object, "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")
	return o
}

func lines(o *unstructured.Unstructured) []string {
	if o == nil {
		return nil
	}
	data, err := yaml.Marshal(bare(o).Object)
	if err != nil {
		return []string{err.Error()}
	}
	text := strings.SplitAfter(string(data), "\n")
	return text[:len(text)-1] // each with its end, also the last one: another object may follow
}

func identityWithVersion(r v1alpha1.ObjectReference) v1alpha1.ObjectReference {
	r.Health, r.Message, r.Owned, r.Applied, r.Extra = "", "", "", "", ""
	return r
}
