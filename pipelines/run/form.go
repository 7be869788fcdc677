package run

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/gitlab"
	"slipway.dev/pipelines/plan"
)

// Form is what a person may fill in who starts a run of a ref.
type Form struct {
	*gitlab.Form
	// Ref is the full name, and Commit what it points to.
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
	// Problems of the file, in place of all the rest.
	Problems []v1alpha1.Problem `json:"problems,omitempty"`
}

// former is a Compiler that knows what a file asks for.
type former interface {
	Form(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository) (*gitlab.Form, []v1alpha1.Problem, error)
}

var _ former = (*Detector)(nil)

// Form of the pipeline file of a run that is not made yet. Where there is no file there
// is nothing to fill in.
func (d *Detector) Form(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository) (*gitlab.Form, []v1alpha1.Problem, error) {
	in, err := d.context(ctx, run, repo)
	if err != nil {
		return nil, nil, err
	}
	file := repo.Spec.PipelineFile
	if file == "" {
		file = gitlab.File
	}
	t := tree{ctx, d.Source, run.Namespace, repo.Name, run.Spec.Commit}
	content, err := t.File(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &gitlab.Form{Variables: []plan.Asked{}, Inputs: []gitlab.FormInput{}}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	in.Files = t
	f, problems := gitlab.FormOf(file, content, in)
	return f, problems, nil
}

// Form of a run of a ref (a full or short name; empty: the default branch).
func (c *Controller) Form(ctx context.Context, namespace, repository, ref string) (*Form, error) {
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: repository}, repo); err != nil {
		return nil, err
	}
	full, err := resolve(repo, ref)
	if err != nil {
		return nil, err
	}
	run := newRun(repo, full, repo.Status.Refs[full])
	run.Spec.Cause = "manual"
	return c.formOf(ctx, run, repo)
}

func (c *Controller) formOf(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository) (*Form, error) {
	out := &Form{Form: &gitlab.Form{Variables: []plan.Asked{}, Inputs: []gitlab.FormInput{}}, Ref: run.Spec.Ref, Commit: run.Spec.Commit}
	compiler, ok := c.Compiler.(former)
	if !ok {
		return out, nil
	}
	f, problems, err := compiler.Form(ctx, run, repo)
	if f != nil {
		out.Form = f
	}
	out.Problems = problems
	return out, err
}

// checkAsked refuses variables that are none of their options, before there is a run. A
// file that cannot be read says so itself, once it is compiled.
func (c *Controller) checkAsked(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository) error {
	if len(run.Spec.Variables) == 0 {
		return nil
	}
	f, err := c.formOf(ctx, run, repo)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(run.Spec.Variables)) {
		for i := range f.Variables {
			if err := f.Variables[i].Check(name, run.Spec.Variables[name]); err != nil {
				return apierrors.NewBadRequest(err.Error())
			}
		}
	}
	return nil
}
