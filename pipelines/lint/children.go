package lint

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/plan"
)

// maxNested is how deep children have children, as on the server.
const maxNested = 2

// family compiles what the trigger jobs of a plan start, and what those start.
type family struct {
	seen     map[string]bool // what was compiled: copies of a job start the same
	problems []v1alpha1.Problem
	// unseen names what cannot be looked at without a server or the job that makes it.
	unseen []string
}

// look at the children of p, which was compiled for in.
func (f *family) look(p *plan.Plan, in gitlab.Context, depth int) {
	for i := range p.Jobs {
		job := &p.Jobs[i]
		if job.Trigger == nil {
			continue
		}
		if why := elsewhere(job.Trigger); why != "" {
			f.unseen = append(f.unseen, fmt.Sprintf("the pipeline that job %q starts: %s", job.Name, why))
			continue
		}
		if depth == maxNested {
			f.problems = append(f.problems, v1alpha1.Problem{File: p.Source, Rule: "limit", Message: fmt.Sprintf("job %q: its child would be nested more than %d deep", job.Name, maxNested), Hint: "move its jobs into this file"})
			continue
		}
		f.child(p, job, in, depth+1)
	}
}

func (f *family) child(p *plan.Plan, job *plan.Job, in gitlab.Context, depth int) {
	var files []gitlab.NamedContent
	for _, t := range job.Trigger.Files {
		if len(job.Trigger.Inputs) > 0 { // for all files; those of the file itself come first
			inputs := maps.Clone(job.Trigger.Inputs)
			maps.Copy(inputs, t.Inputs)
			t.Inputs = inputs
		}
		files = append(files, gitlab.NamedContent{TriggerFile: t})
	}
	in.OfMergeRequest = in.OfMergeRequest || in.Source == gitlab.MergeRequestEvent
	in.Source, in.Schedule, in.Inputs, in.Variables = "parent_pipeline", "", nil, forwarded(p, job)
	key, err := json.Marshal([]any{depth, job.Trigger.Files, job.Trigger.Inputs, in.Variables})
	if err != nil || f.seen[string(key)] {
		return
	}
	f.seen[string(key)] = true
	child, problems := gitlab.CompileFiles(name(job.Trigger), files, in)
	for _, x := range problems {
		if x.File == noPath {
			x.Message = fmt.Sprintf("job %q starts it: %s", job.Name, x.Message)
		}
		if !slices.Contains(f.problems, x) {
			f.problems = append(f.problems, x)
		}
	}
	if child != nil {
		f.look(child, in, depth)
	}
}

// noPath is the name of a file that has none here.
const noPath = "trigger:include"

// name of a child's plan, as its run has it.
func name(t *plan.Trigger) string {
	if p := t.Files[0].Path; p != "" {
		return p
	}
	return noPath
}

// forwarded are the variables that a job gives to the pipeline that it starts, as far as
// they are known before anything runs.
func forwarded(p *plan.Plan, job *plan.Job) (out []plan.Variable) {
	var list []plan.Variable
	if job.Trigger.ForwardVariables {
		for _, v := range p.Variables {
			if !slices.Contains(job.Without, v.Name) {
				list = append(list, v)
			}
		}
		list = append(list, job.Variables...)
	}
	if job.Trigger.ForwardGiven {
		list = append(list, p.Given...)
	}
	env := plan.Environ(p, job, nil, nil, nil)
	for i, v := range list {
		if slices.ContainsFunc(list[i+1:], func(o plan.Variable) bool { return o.Name == v.Name }) {
			continue
		}
		if !v.Raw {
			v.Value = plan.ExpandIn(v.Value, env)
		}
		out = append(out, plan.Variable{Name: v.Name, Value: v.Value, Raw: true})
	}
	return out
}

// elsewhere says why a pipeline cannot be seen here, or nothing.
func elsewhere(t *plan.Trigger) string {
	if t.Repository != "" {
		return "it is repository " + t.Repository + "'s"
	}
	for _, f := range t.Files {
		if f.Job != "" {
			return fmt.Sprintf("job %q makes its file %s", f.Job, f.Path)
		}
		var include map[string]json.RawMessage
		if len(f.Include) == 0 || json.Unmarshal(f.Include, &include) != nil {
			continue
		}
		for _, key := range []string{"project", "remote", "component"} {
			if include[key] != nil {
				return "a file of it is not in this work tree (" + key + ")"
			}
		}
	}
	return ""
}
