package gitlab

import (
	"encoding/json"
	"maps"
	"slices"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// NamedContent is one file of a child pipeline.
type NamedContent struct {
	plan.TriggerFile
	// Content of an artifact. Without Job the file is read from the commit (Path), or
	// found as Include says: the mapping below trigger:include, as JSON.
	Content []byte
}

// CompileFiles compiles the pipeline that a trigger job starts: its files merged in
// turn, as if one file included them all. name is what the plan calls its source.
func CompileFiles(name string, files []NamedContent, in Context) (*plan.Plan, []v1alpha1.Problem) {
	if in.Source == "" {
		in.Source = "parent_pipeline"
	}
	c := newCompiler(name, in)
	l := c.loader()
	root, whole := &value{kind: kindMap, place: start}, true
	for _, f := range files {
		for _, u := range l.child(f) {
			if len(f.Inputs) > 0 {
				u.inputs = map[string]entry{}
			}
			for _, n := range slices.Sorted(maps.Keys(f.Inputs)) {
				u.inputs[n] = entry{name: n, at: start, val: c.fromJSON(f.Inputs[n], start)}
			}
			v := l.enter(u, nil)
			if whole = whole && v != nil; v != nil {
				c.merger.mergeInto(root, v)
			}
		}
	}
	if c.stopped() || !whole && c.count() > 0 {
		return c.result(nil)
	}
	return c.result(c.compile(root))
}

// child units of one file of a trigger.
func (l *loader) child(f NamedContent) []*unit {
	here := l.here()
	switch {
	case f.Job != "":
		file := f.Job + ":" + f.Path
		if len(f.Content) == 0 {
			l.add(start, ruleInclude, "let the job write it and keep it in artifacts:paths", "the job %q left no file %q", f.Job, f.Path)
			return nil
		}
		// A file that a job made sees the commit, and no variables in its includes.
		made := &home{key: "artifact", files: l.ctx.Files}
		return []*unit{{home: made, path: file, file: file, content: f.Content, at: start}}
	case len(f.Include) > 0:
		v := l.fromJSON(json.RawMessage(f.Include), start)
		var units []*unit
		for _, e := range l.entries(v) {
			units = append(units, l.units(e, here)...)
		}
		return units
	}
	if f.Content != nil {
		return []*unit{{home: here, path: f.Path, file: f.Path, content: f.Content, at: start}}
	}
	return l.local(f.Path, start, here)
}
