package gitlab

import "strings"

// maxReferences is how deep what a !reference names may refer further.
const maxReferences = 10

// references puts what each !reference names in its place, once extends are merged,
// as GitLab does: it sees the jobs that it names with all that they extend.
func (c *compiler) references(root *value) *value {
	r := resolver{compiler: c, root: root, done: map[*value]*value{}}
	out := r.value(root)
	if out.kind != kindMap {
		return root
	}
	return out
}

type resolver struct {
	*compiler
	root *value
	done map[*value]*value
	open []*value // references that are being resolved
}

func (r *resolver) value(v *value) *value {
	if out, ok := r.done[v]; ok {
		return out
	}
	out := v
	switch v.kind {
	case kindReference:
		out = r.reference(v)
		if out == nil {
			out = &value{place: v.place}
		}
	case kindList:
		var items []*value
		for i, item := range v.items {
			got := r.value(item)
			if got != item && items == nil {
				items = append(make([]*value, 0, len(v.items)), v.items[:i]...)
			}
			if items != nil {
				items = append(items, got)
			}
		}
		if items != nil {
			out = &value{kind: kindList, items: items, place: v.place}
		}
	case kindMap:
		var m *value
		for i, e := range v.keys {
			got := r.value(e.val)
			if got != e.val && m == nil {
				m = &value{kind: kindMap, place: v.place}
				for _, before := range v.keys[:i] {
					m.put(before)
				}
			}
			if m != nil {
				m.put(entry{name: e.name, at: e.at, val: got})
			}
		}
		if m != nil {
			out = m
		}
	}
	if len(r.open) == 0 || v.kind != kindReference {
		r.done[v] = out
	}
	return out
}

// reference yields what it names, itself resolved; nil where that has problems.
func (r *resolver) reference(v *value) *value {
	var path []string
	for _, item := range v.items {
		if item.kind != kindString && item.kind != kindNumber {
			r.add(v.place, ruleReference, "write !reference [JOB, KEY]", "a !reference is a list of names")
			return nil
		}
		path = append(path, item.text)
	}
	if len(path) == 0 {
		r.add(v.place, ruleReference, "write !reference [JOB, KEY]", "a !reference is a list of names")
		return nil
	}
	name := "!reference [" + strings.Join(path, ", ") + "]"
	for _, o := range r.open {
		if o == v {
			r.add(v.place, ruleReference, "remove one of the references", "%s is part of a circle", name)
			return nil
		}
	}
	if len(r.open) == maxReferences {
		r.add(v.place, ruleLimit, "", "references refer to one another more than %d deep", maxReferences)
		return nil
	}
	r.open = append(r.open, v)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	at := r.root
	for i, key := range path {
		if at.kind == kindReference {
			if at = r.value(at); at.kind == kindNull {
				return nil
			}
		}
		next, ok := at.index[key]
		if !ok || at.kind != kindMap {
			var known []string
			for _, e := range at.keys {
				known = append(known, e.name)
			}
			hint := didYouMean(key, known)
			r.add(v.place, ruleReference, hint, "%s: there is no %q%s", name, key, within(path[:i]))
			return nil
		}
		at = at.keys[next].val
	}
	out := r.value(at)
	if out.kind == kindNull && at.kind == kindNull {
		r.add(v.place, ruleReference, "", "%s: nothing is there", name)
		return nil
	}
	return out
}

func within(path []string) string {
	if len(path) == 0 {
		return ""
	}
	return " in " + strings.Join(path, ":")
}
