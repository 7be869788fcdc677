package apply

import (
	"context"
	"strings"

	"github.com/fluxcd/pkg/ssa"
	"github.com/pmezard/go-difflib/difflib"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

// Change is what applying would do to one object. Data of Secrets is masked.
type Change struct {
	Object v1alpha1.ObjectReference `json:"object"`
	// Action: created, configured, unchanged, deleted.
	Action string `json:"action"`
	// Diff is a unified diff of YAML, live to desired.
	Diff string `json:"diff,omitempty"`
}

// Diff says what applying the objects would change, by a server-side dry-run, and
// what of the inventory would be pruned.
func (a *Applier) Diff(ctx context.Context, t Target, objects []*unstructured.Unstructured, inventory []v1alpha1.ObjectReference) ([]Change, error) {
	if err := a.mayWrite(ctx, t); err != nil {
		return nil, err
	}
	m, err := a.manager(t.where())
	if err != nil {
		return nil, err
	}
	var changes []Change
	refs := Inventory(objects)
	for i, o := range label(t, objects) {
		entry, live, merged, err := m.Diff(ctx, o, ssa.DefaultDiffOptions())
		if err != nil {
			return nil, conceal(objects, explain(err))
		}
		change := Change{Object: refs[i], Action: string(entry.Action)}
		switch entry.Action {
		case ssa.CreatedAction:
			change.Diff = unified(nil, mask(o))
		case ssa.ConfiguredAction:
			change.Diff = unified(live, merged)
		}
		changes = append(changes, change)
	}
	for _, r := range Minus(inventory, refs) {
		if !keeps(r.Group, r.Kind) {
			changes = append(changes, Change{Object: identityWithVersion(r), Action: string(ssa.DeletedAction)})
		}
	}
	return changes, nil
}

// mask hides the data of a Secret that is not there yet.
func mask(o *unstructured.Unstructured) *unstructured.Unstructured {
	if o.GetKind() != "Secret" || o.GetAPIVersion() != "v1" {
		return o
	}
	o = o.DeepCopy()
	for _, field := range []string{"data", "stringData"} {
		values, _, _ := unstructured.NestedMap(o.Object, field)
		for k := range values {
			values[k] = "*****"
		}
		if len(values) > 0 {
			_ = unstructured.SetNestedMap(o.Object, values, field)
		}
	}
	return o
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

func lines(o *unstructured.Unstructured) []string {
	if o == nil {
		return nil
	}
	o = o.DeepCopy()
	for _, f := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"} {
		unstructured.RemoveNestedField(o.Object, "metadata", f)
	}
	unstructured.RemoveNestedField(o.Object, "status")
	unstructured.RemoveNestedField(o.Object, "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")
	data, err := yaml.Marshal(o.Object)
	if err != nil {
		return []string{err.Error()}
	}
	return strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
}

func identityWithVersion(r v1alpha1.ObjectReference) v1alpha1.ObjectReference {
	r.Health, r.Message = "", ""
	return r
}
