package run

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/detect"
	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/protection"
	"slipway.dev/pipelines/submodule"
	"slipway.dev/pipelines/variables"
)

// Source reads one commit of a repository. What is not there is fs.ErrNotExist.
type Source interface {
	Exists(ctx context.Context, namespace, repository, commit, path string) (bool, error)
	File(ctx context.Context, namespace, repository, commit, path string) ([]byte, error)
	// List names all files of the commit, sorted.
	List(ctx context.Context, namespace, repository, commit string) ([]string, error)
	// Changed names the files that differ between from and the commit. For a branch or
	// tag, the two's merge base is compared; for a full commit, that one itself.
	Changed(ctx context.Context, namespace, repository, commit, from string) ([]string, error)
	// Resolve a branch, tag or full commit to a commit.
	Resolve(ctx context.Context, namespace, repository, revision string) (string, error)
}

// Detector is the Compiler that takes the repository's own pipeline file, or makes
// the default pipeline from what is there.
type Detector struct {
	Source Source
	// Variables of repositories and namespaces; protected ones for runs of protected refs.
	Variables *variables.Store
	Reachable protection.Reachable
	// Describe a commit: its whole message and its author as "Name <address>".
	Describe func(ctx context.Context, namespace, repository, commit string) (message, author string, at time.Time, err error)
	// TagMessage of an annotated tag that points to the commit; empty where there is none.
	TagMessage func(ctx context.Context, namespace, repository, tag, commit string) (string, error)
	// ServerURL is the front door's address as people know it.
	ServerURL string
	// Nodes gives the labels of each node by its name. Nil: nothing is known of them.
	Nodes func(ctx context.Context) (map[string]map[string]string, error)
	// Modules finds the submodules that jobs ask for. Nil: there are none.
	Modules *submodule.Finder
	// Elsewhere is what files may include beyond their commit.
	Elsewhere Elsewhere
}

var _ Compiler = (*Detector)(nil)

// context of the compilation of a run.
func (d *Detector) context(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository) (gitlab.Context, error) {
	spec := &run.Spec
	in := gitlab.Context{
		Ref: spec.Ref, Commit: spec.Commit, Before: spec.Before, Source: "push",
		DefaultBranch: repo.Status.DefaultBranch, ProjectName: repo.Name, Namespace: repo.Namespace,
		ServerURL: strings.TrimSuffix(d.ServerURL, "/"), RunID: run.Name, RunNumber: spec.Sequence, By: spec.By,
	}
	if repo.Spec.DefaultBranch != "" {
		in.DefaultBranch = repo.Spec.DefaultBranch
	}
	in.Branch, _ = strings.CutPrefix(spec.Ref, "refs/heads/")
	if tag, ok := strings.CutPrefix(spec.Ref, "refs/tags/"); ok {
		in.Branch, in.Tag = "", tag
	}
	in.Source = sourceOf(run)
	describe(&in, run)
	for _, name := range slices.Sorted(maps.Keys(spec.Variables)) {
		in.Variables = append(in.Variables, plan.Variable{Name: name, Value: spec.Variables[name], Raw: true})
	}
	for _, v := range spec.Forwarded {
		in.Variables = append(in.Variables, plan.Variable{Name: v.Name, Value: v.Value, Raw: !v.Expand})
	}
	var err error
	if in.Message, in.Author, in.Time, err = d.Describe(ctx, run.Namespace, repo.Name, spec.Commit); err != nil {
		return in, err
	}
	if in.Tag != "" {
		if in.TagMessage, err = d.TagMessage(ctx, run.Namespace, repo.Name, in.Tag, spec.Commit); err != nil {
			return in, err
		}
	}
	reached, err := reach(ctx, repo, run, d.Reachable)
	if err != nil {
		return in, err
	}
	in.Protected, in.Schedule, in.Created = reached.Protected, spec.Schedule, run.CreationTimestamp.Time
	in.Target = strings.TrimPrefix(spec.Target, "refs/heads/")
	in.OpenRequests = openRequests(repo, spec.Ref)
	if spec.Target != "" {
		in.TargetProtected = protection.Ref(repo, spec.Target)
		if in.DiffBase, err = d.mergeBase(ctx, run, repo); err != nil {
			return in, err
		}
	}
	known := &variables.Snapshot{}
	if !untrusted(run) {
		if known, err = d.Variables.Snapshot(ctx, run.Namespace, reached); err != nil {
			return in, err
		}
	}
	in.Secrets, in.Repository = known.Refs(), func(environment string) (out []gitlab.Known) {
		for _, v := range known.For(environment) {
			out = append(out, gitlab.Known(v))
		}
		return out
	}
	in.Includes = includes{Elsewhere: d.Elsewhere, ctx: ctx, source: d.Source, namespace: run.Namespace}
	for name, text := range spec.Inputs {
		if in.Inputs == nil {
			in.Inputs = map[string]json.RawMessage{}
		}
		in.Inputs[name] = json.RawMessage(text)
	}
	return in, nil
}

// Compile implements Compiler.
func (d *Detector) Compile(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository, of *Origin) (Compiled, error) {
	in, err := d.context(ctx, run, repo)
	if err != nil {
		return Compiled{}, err
	}
	files := tree{ctx, d.Source, run.Namespace, repo.Name, run.Spec.Commit}
	if of != nil {
		in.Upstream = gitlab.Upstream{JobID: of.Attempt, RunID: of.Run.Name, Project: of.Run.Namespace + "/" + of.Run.Spec.Repository}
	}
	if of == nil || len(of.Files) == 0 {
		p, problems, err := detect.Pipeline(files, repo.Spec.PipelineFile, in)
		return d.finish(ctx, run, repo, Compiled{Plan: p, Problems: problems}, err)
	}
	in.Files, in.OfMergeRequest = files, run.Spec.Target != ""
	var named []gitlab.NamedContent
	for _, f := range of.Files {
		named = append(named, gitlab.NamedContent{TriggerFile: f.TriggerFile, Content: f.Content})
	}
	p, problems := gitlab.CompileFiles(sourceName(of), named, in)
	return d.finish(ctx, run, repo, Compiled{Plan: p, Problems: problems}, nil)
}

// finish a plan with what the front end does not know.
func (d *Detector) finish(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository, c Compiled, err error) (Compiled, error) {
	if err != nil || c.Plan == nil {
		return c, err
	}
	if untrusted(run) {
		c.Problems = append(c.Problems, restrict(c.Plan)...)
	}
	more, err := d.submodules(ctx, run, repo, c.Plan)
	c.Problems = append(c.Problems, more...)
	if err == nil {
		more, err = d.placed(ctx, c.Plan)
		c.Problems = append(c.Problems, more...)
	}
	return c, err
}

// sourceName is what the plan of a child calls its first file.
func sourceName(of *Origin) string {
	f := of.Files[0]
	switch {
	case f.Job != "":
		return f.Job + ":" + f.Path
	case f.Path != "":
		return f.Path
	}
	return "trigger:include"
}

// sourceOf is GitLab's word for the run's cause.
func sourceOf(run *v1alpha1.Run) string {
	switch cause := run.Spec.RootCause(); cause {
	case "manual":
		return "web"
	case causeMergeRequest:
		return "merge_request_event"
	case v1alpha1.RunCauseChild:
		return "parent_pipeline"
	case "api", "schedule", "trigger", v1alpha1.RunCausePipeline:
		return cause
	}
	return "push"
}

// tree is one commit as detect wants it.
type tree struct {
	ctx                           context.Context
	source                        Source
	namespace, repository, commit string
}

func (t tree) Exists(path string) (bool, error) {
	return t.source.Exists(t.ctx, t.namespace, t.repository, t.commit, path)
}

func (t tree) File(path string) ([]byte, error) {
	return t.source.File(t.ctx, t.namespace, t.repository, t.commit, path)
}

func (t tree) List() ([]string, error) {
	return t.source.List(t.ctx, t.namespace, t.repository, t.commit)
}

func (t tree) Changed(from string) ([]string, error) {
	return t.source.Changed(t.ctx, t.namespace, t.repository, t.commit, from)
}
