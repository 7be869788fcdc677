package apply

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// pointer is the way to one value within an object: names in mappings, numbers in lists.
type pointer []string

// parsePointer reads a JSON pointer (RFC 6901).
func parsePointer(text string) (pointer, error) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok || len(text) > 1000 {
		return nil, fmt.Errorf("%.100q is not a JSON pointer; want one such as /spec/replicas", text)
	}
	parts := strings.Split(rest, "/")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
	}
	return parts, nil
}

// resolve finds the value that a managed field names within an object.
func resolve(path fieldpath.Path, object map[string]any) (pointer, bool) {
	var out pointer
	var at any = object
	for _, e := range path {
		switch {
		case e.FieldName != nil:
			m, ok := at.(map[string]any)
			if at, ok = m[*e.FieldName]; !ok {
				return nil, false
			}
			out = append(out, *e.FieldName)
		case e.Index != nil, e.Key != nil, e.Value != nil:
			list, _ := at.([]any)
			i := slices.IndexFunc(list, func(item any) bool { return selects(e, item) })
			if e.Index != nil {
				i = *e.Index
			}
			if i < 0 || i >= len(list) {
				return nil, false
			}
			at = list[i]
			out = append(out, strconv.Itoa(i))
		default:
			return nil, false
		}
	}
	return out, true
}

func selects(e fieldpath.PathElement, item any) bool {
	if e.Value != nil {
		return equality.Semantic.DeepEqual((*e.Value).Unstructured(), item)
	}
	if e.Key == nil {
		return false
	}
	m, ok := item.(map[string]any)
	for _, field := range *e.Key {
		if !ok || !equality.Semantic.DeepEqual(field.Value.Unstructured(), m[field.Name]) {
			return false
		}
	}
	return ok
}

func (p pointer) get(object map[string]any) (any, bool) {
	var at any = object
	for _, part := range p {
		switch v := at.(type) {
		case map[string]any:
			var ok bool
			if at, ok = v[part]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			at = v[i]
		default:
			return nil, false
		}
	}
	return at, true
}

// set replaces a value that is there already.
func (p pointer) set(object map[string]any, value any) {
	parent, last := p.parent(object)
	switch v := parent.(type) {
	case map[string]any:
		v[last] = value
	case []any:
		if i, err := strconv.Atoi(last); err == nil && i >= 0 && i < len(v) {
			v[i] = value
		}
	}
}

// remove takes a value out. A mapping that is empty then goes too: to own an empty
// mapping is to own its place.
func (p pointer) remove(object map[string]any) {
	parent, last := p.parent(object)
	switch v := parent.(type) {
	case map[string]any:
		if _, ok := v[last]; !ok {
			return
		}
		delete(v, last)
		if len(v) == 0 && len(p) > 1 {
			if _, inMap := p[:len(p)-1].container(object); inMap {
				p[:len(p)-1].remove(object)
			}
		}
	case []any:
		i, err := strconv.Atoi(last)
		if err == nil && i >= 0 && i < len(v) {
			p[:len(p)-1].set(object, slices.Delete(slices.Clone(v), i, i+1))
		}
	}
}

// container says whether the value is an entry of a mapping.
func (p pointer) container(object map[string]any) (map[string]any, bool) {
	parent, _ := p.parent(object)
	m, ok := parent.(map[string]any)
	return m, ok
}

func (p pointer) parent(object map[string]any) (parent any, last string) {
	if len(p) == 0 {
		return nil, ""
	}
	parent, _ = p[:len(p)-1].get(object)
	return parent, p[len(p)-1]
}

// inList says whether the way leads through a list.
func (p pointer) inList(object map[string]any) bool {
	for i := 1; i <= len(p); i++ {
		if parent, _ := p[:i].parent(object); parent != nil {
			if _, ok := parent.([]any); ok {
				return true
			}
		}
	}
	return false
}

// String is the way as the apiserver writes it: .spec.containers[0].image.
func (p pointer) String() string {
	var b strings.Builder
	for _, part := range p {
		if _, err := strconv.Atoi(part); err == nil {
			b.WriteString("[" + part + "]")
			continue
		}
		if strings.ContainsAny(part, "./") {
			b.WriteString("[" + part + "]")
			continue
		}
		b.WriteString("." + part)
	}
	return b.String()
}

// differences are the ways to the values in which two objects differ, at most limit.
func differences(a, b any, at pointer, limit int, out []pointer) []pointer {
	if len(out) >= limit || (empty(a) && empty(b)) || equality.Semantic.DeepEqual(a, b) {
		return out
	}
	ma, aok := a.(map[string]any)
	mb, bok := b.(map[string]any)
	if aok && bok {
		for _, k := range keysOf(ma, mb) {
			out = differences(ma[k], mb[k], append(slices.Clone(at), k), limit, out)
		}
		return out
	}
	la, aok := a.([]any)
	lb, bok := b.([]any)
	if aok && bok && len(la) == len(lb) {
		for i := range la {
			out = differences(la[i], lb[i], append(slices.Clone(at), strconv.Itoa(i)), limit, out)
		}
		return out
	}
	return append(out, at)
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func keysOf(a, b map[string]any) []string {
	keys := make([]string, 0, len(a)+len(b))
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}
