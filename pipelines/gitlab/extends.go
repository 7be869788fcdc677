package gitlab

import "strings"

// Limits of templates: how deep one extends another, and how many keys all merging
// together may touch.
const (
	maxExtends = 10
	maxMerges  = 200_000
)

// merger of mappings, for extends and include.
type merger struct {
	*problems
	budget int
}

// templates resolves `extends` for all jobs, each template once.
type templates struct {
	*merger
	root *value
	done map[string]*value
	// height of a job that is done: how many others it extends in a row.
	height map[string]int
	open   []string
}

// all is the root with every job as it is once its extends are merged. What a
// !reference stands for is not looked at: a reference replaces, and is replaced, whole.
func (t *templates) all() *value {
	out := &value{kind: kindMap, place: t.root.place}
	for _, e := range t.root.keys {
		if !isGlobal(e.name) && e.val.kind == kindMap {
			e.val = t.resolve(e.name)
		}
		out.put(e)
	}
	return out
}

// resolve the job of that name: what it extends, merged, and its own keys on top.
func (t *templates) resolve(name string) *value {
	if v, ok := t.done[name]; ok {
		return v
	}
	own := t.root.get(name)
	if own == nil || own.kind != kindMap {
		return nil
	}
	ext := own.get("extends")
	if ext == nil {
		return own
	}
	t.open = append(t.open, name)
	defer func() { t.open = t.open[:len(t.open)-1] }()
	merged, high := &value{kind: kindMap, place: own.place}, 0
	for _, parent := range t.parents(ext) {
		base, ok := t.parent(parent)
		if !ok {
			continue
		}
		high = max(high, 1+t.height[parent.text])
		merged = t.merge(merged, base)
	}
	merged = t.merge(merged, own)
	merged.place = own.place
	t.height[name] = high
	t.done[name] = merged
	return merged
}

func (t *templates) parents(ext *value) []*value {
	if ext.kind == kindString {
		return []*value{ext}
	}
	if ext.kind != kindList {
		t.add(ext.place, ruleType, "", "extends is the name of a job or a list of names, and this is %s", ext.kind)
		return nil
	}
	for _, item := range ext.items {
		if item.kind != kindString {
			t.add(item.place, ruleType, "", "extends is the name of a job or a list of names, and this holds %s", item.kind)
			return nil
		}
	}
	return ext.items
}

func (t *templates) parent(ref *value) (*value, bool) {
	name := ref.text
	for i, open := range t.open {
		if open == name {
			circle := append(append([]string{}, t.open[i:]...), name)
			t.add(ref.place, ruleExtends, "remove one of the extends", "jobs extend one another in a circle: %s", strings.Join(circle, " -> "))
			return nil, false
		}
	}
	tooDeep := func(depth int) bool {
		if depth > maxExtends {
			t.add(ref.place, ruleLimit, "", "templates extend one another more than %d deep", maxExtends)
		}
		return depth > maxExtends
	}
	if tooDeep(len(t.open)) {
		return nil, false
	}
	base := t.resolve(name)
	if tooDeep(len(t.open) + t.height[name]) {
		return nil, false
	}
	if own := t.root.get(name); base == nil && own != nil {
		t.add(ref.place, ruleExtends, "extend what the reference names", "extends %q: it is %s", name, own.kind)
		return nil, false
	}
	if base == nil {
		var known []string
		for _, e := range t.root.keys {
			if e.val.kind == kindMap && !isGlobal(e.name) {
				known = append(known, e.name)
			}
		}
		t.add(ref.place, ruleExtends, didYouMean(name, known), "extends %q: there is no such job", name)
		return nil, false
	}
	return base, true
}

// merge b over a: mappings key by key, anything else is replaced.
func (t *merger) merge(a, b *value) *value {
	out := &value{kind: kindMap, place: b.place}
	for _, e := range a.keys {
		out.put(e)
	}
	for _, e := range b.keys {
		if t.budget--; t.budget < 0 {
			t.add(e.at, ruleLimit, "extend or include fewer or smaller mappings", "what extends and include merge is too large together")
			return out
		}
		if i, ok := out.index[e.name]; ok {
			old := out.keys[i].val
			if old != e.val && old.kind == kindMap && e.val.kind == kindMap {
				e.val = t.merge(old, e.val)
			}
		}
		out.put(e)
	}
	return out
}
