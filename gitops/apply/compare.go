package apply

import (
	"fmt"

	"github.com/fluxcd/pkg/ssa"
	"github.com/pmezard/go-difflib/difflib"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
)

// Unchanged is the Action of a Change that is none.
const Unchanged = string(ssa.UnchangedAction)

// Compare says what differs between two sets, as they were rendered: first what the new
// one has, in its order, then what it has no longer. Data of Secrets is masked, so that
// only whether it differs is seen.
func Compare(before, after []*unstructured.Unstructured) []Change {
	old := map[v1alpha1.ObjectReference]*unstructured.Unstructured{}
	for i, ref := range Inventory(before) {
		old[identity(ref)] = before[i]
	}
	refs := Inventory(after)
	changes := make([]Change, 0, len(after))
	for i, o := range after {
		c := Change{Object: refs[i], Action: string(ssa.CreatedAction)}
		was := old[identity(refs[i])]
		a, b := maskBoth(was, o)
		if was != nil {
			c.Action = string(ssa.ConfiguredAction)
		}
		if c.Diff = text(a, b); c.Diff == "" {
			c.Action = Unchanged
		}
		changes = append(changes, c)
	}
	for i, ref := range Inventory(before) {
		if len(Minus([]v1alpha1.ObjectReference{ref}, refs)) == 1 {
			a, _ := maskBoth(before[i], nil)
			changes = append(changes, Change{Object: ref, Action: string(ssa.DeletedAction), Diff: text(a, nil)})
		}
	}
	return changes
}

func text(before, after *unstructured.Unstructured) string {
	out, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(before), B: lines(after), FromFile: "before", ToFile: "after", Context: 3,
	})
	if err != nil {
		return err.Error() + "\n"
	}
	return out
}

// maskBoth hides the data of a Secret on both sides, and leaves which keys differ.
func maskBoth(a, b *unstructured.Unstructured) (*unstructured.Unstructured, *unstructured.Unstructured) {
	if !isSecret(a) && !isSecret(b) {
		return a, b
	}
	a, b = a.DeepCopy(), b.DeepCopy()
	for _, field := range []string{"data", "stringData"} {
		old, now := nested(a, field), nested(b, field)
		for k, v := range old {
			switch w, both := now[k]; {
			case !both:
				old[k] = "*****"
			case fmt.Sprint(v) == fmt.Sprint(w):
				old[k], now[k] = "*****", "*****"
			default:
				old[k], now[k] = "***** (before)", "***** (after)"
			}
		}
		for k := range now {
			if _, both := old[k]; !both {
				now[k] = "*****"
			}
		}
	}
	return a, b
}

func isSecret(o *unstructured.Unstructured) bool {
	return o != nil && o.GetKind() == "Secret" && o.GetAPIVersion() == "v1"
}

// nested is a mapping of the object itself, not a copy.
func nested(o *unstructured.Unstructured, field string) map[string]any {
	if o == nil {
		return nil
	}
	m, _ := o.Object[field].(map[string]any)
	return m
}
