package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/health"
)

// Validate says what is wrong with how an application is to be applied, and where.
func Validate(spec *v1alpha1.ApplicationSpec) error {
	if err := ValidateIgnore(spec.IgnoreDifferences); err != nil {
		return fmt.Errorf("spec.%w", err)
	}
	if _, err := health.Compile(spec.HealthChecks); err != nil {
		return fmt.Errorf("spec.%w", err)
	}
	return nil
}

// ValidateIgnore says what is wrong with rules, and where.
func ValidateIgnore(rules []v1alpha1.IgnoreDifference) error {
	for i, r := range rules {
		if len(r.JSONPointers) == 0 && len(r.Managers) == 0 {
			return fmt.Errorf("ignoreDifferences[%d]: names no fields; give jsonPointers or managers", i)
		}
		for k, text := range r.JSONPointers {
			if _, err := parsePointer(text); err != nil {
				return fmt.Errorf("ignoreDifferences[%d].jsonPointers[%d]: %w", i, k, err)
			}
		}
	}
	return nil
}

// ignores are the rules that concern an object.
func (t Target) ignores(o *unstructured.Unstructured) []v1alpha1.IgnoreDifference {
	gvk := o.GroupVersionKind()
	var out []v1alpha1.IgnoreDifference
	for _, r := range t.Ignore {
		if (r.Group == "*" || r.Group == gvk.Group) && (r.Kind == "*" || r.Kind == gvk.Kind) &&
			(r.Namespace == "" || r.Namespace == o.GetNamespace()) && (r.Name == "" || r.Name == o.GetName()) {
			out = append(out, r)
		}
	}
	return out
}

// ignored are the ways to the fields of an object that rules leave to others.
func ignored(object, live *unstructured.Unstructured, rules []v1alpha1.IgnoreDifference) []pointer {
	var out []pointer
	for _, r := range rules {
		for _, text := range r.JSONPointers {
			if p, err := parsePointer(text); err == nil {
				out = append(out, p)
			}
		}
		if len(r.Managers) == 0 {
			continue
		}
		for _, m := range managersOf(live) {
			if !slices.Contains(r.Managers, m.name) {
				continue
			}
			m.fields.Leaves().Iterate(func(path fieldpath.Path) {
				if p, ok := resolve(path, object.Object); ok {
					out = append(out, p)
				}
			})
		}
	}
	// Later entries of lists first: removing one moves those behind it.
	slices.SortFunc(out, func(a, b pointer) int { return slices.CompareFunc(b, a, comparePart) })
	return out
}

func comparePart(a, b string) int {
	m, aerr := strconv.Atoi(a)
	n, berr := strconv.Atoi(b)
	if aerr == nil && berr == nil {
		return m - n
	}
	return bytes.Compare([]byte(a), []byte(b))
}

// respect leaves ignored fields of what is to be written to whoever has them: a field
// that another manages is left out, and one that only we do keeps the value it has.
// Leaving that one out would remove it.
func respect(out, live *unstructured.Unstructured, rules []v1alpha1.IgnoreDifference) {
	if len(rules) == 0 {
		return
	}
	others := othersFields(live)
	for _, p := range ignored(out, live, rules) {
		if _, ok := p.get(out.Object); !ok {
			continue
		}
		value, there := p.get(live.Object)
		switch {
		case !there, !p.inList(out.Object) && (others[p.String()] || within(others, p)):
			p.remove(out.Object)
		default:
			p.set(out.Object, value)
		}
	}
}

// within says whether somebody else manages something below p.
func within(fields map[string]bool, p pointer) bool {
	prefix := p.String()
	for f := range fields {
		if len(f) > len(prefix) && f[:len(prefix)] == prefix && (f[len(prefix)] == '.' || f[len(prefix)] == '[') {
			return true
		}
	}
	return false
}

// strip takes ignored fields out of both sides of a comparison.
func strip(live, other *unstructured.Unstructured, rules []v1alpha1.IgnoreDifference) {
	if len(rules) == 0 {
		return
	}
	for _, o := range []*unstructured.Unstructured{other, live} {
		for _, p := range ignored(o, live, rules) {
			p.remove(o.Object)
		}
	}
}

// manager is who manages fields of an object.
type manager struct {
	name, subresource string
	fields            *fieldpath.Set
}

func managersOf(live *unstructured.Unstructured) []manager {
	var out []manager
	for _, entry := range live.GetManagedFields() {
		if entry.FieldsV1 == nil {
			continue
		}
		set := &fieldpath.Set{}
		if set.FromJSON(bytes.NewReader(entry.FieldsV1.Raw)) == nil {
			out = append(out, manager{entry.Manager, entry.Subresource, set})
		}
	}
	return out
}

// othersFields are those that others manage, status aside.
func othersFields(live *unstructured.Unstructured) map[string]bool {
	out := map[string]bool{}
	for _, m := range managersOf(live) {
		if m.name == FieldManager || m.subresource == "status" {
			continue
		}
		m.fields.Leaves().Iterate(func(path fieldpath.Path) {
			if p, ok := resolve(path, live.Object); ok {
				out[p.String()] = true
			}
		})
	}
	return out
}

// unowned stands for what has no managed fields: some servers keep none.
const unowned = "-"

// owned is a hash of which fields we manage. Whoever changes one of them takes it from
// us, and the hash is another: drift is seen without a comparison of values.
func owned(live *unstructured.Unstructured) string {
	entries, _, _ := unstructured.NestedSlice(live.Object, "metadata", "managedFields")
	h := fnv.New64a()
	found := false
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		if sub, _ := entry["subresource"].(string); entry["manager"] != FieldManager || sub != "" {
			continue
		}
		data, err := json.Marshal(entry["fieldsV1"])
		if err != nil {
			continue
		}
		found = true
		_, _ = h.Write(data)
	}
	if !found {
		return unowned
	}
	return strconv.FormatUint(h.Sum64(), 36)
}
