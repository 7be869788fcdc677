package run

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// filled is the job with its images as this attempt has them: a name that refers to
// variables which no plan may hold is filled in. The job itself where none does.
func (c *Controller) filled(ctx context.Context, run *v1alpha1.Run, p *plan.Plan, job *plan.Job, js *v1alpha1.JobStatus) (*plan.Job, error) {
	open := func(image string) bool { return strings.Contains(image, "$") }
	if !open(job.Image.Name) && !slices.ContainsFunc(job.Services, func(s plan.Service) bool { return open(s.Image.Name) }) {
		return job, nil
	}
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository}, repo); err != nil {
		return nil, err
	}
	secrets, err := c.secrets(ctx, run, repo, p, job)
	if err != nil {
		return nil, err
	}
	told, err := c.told(ctx, run, p, job)
	if err != nil {
		return nil, err
	}
	env := plan.Environ(played(run, p, js), job, c.attemptVariables(run, job, js.Attempt, directory(run, job)), told, secrets.Vars)
	out := *job
	out.Services = slices.Clone(job.Services)
	if err := fillImage(&out.Image.Name, env); err != nil {
		return nil, refusedError{err}
	}
	for i := range out.Services {
		s := &out.Services[i]
		if !open(s.Image.Name) {
			continue
		}
		if err := fillImage(&s.Image.Name, env); err != nil {
			return nil, refusedError{err}
		}
		s.Names = slices.Clone(s.Names)
		for _, name := range plan.HostNames(s.Image.Name) {
			if !slices.Contains(s.Names, name) {
				s.Names = append(s.Names, name)
			}
		}
	}
	return &out, nil
}

// fillImage replaces the references of an image name. What comes of it is in no error.
func fillImage(name *string, env []plan.Variable) error {
	if !strings.Contains(*name, "$") {
		return nil
	}
	var unset string
	image := plan.Expand(*name, func(ref string) (string, bool) {
		i := slices.IndexFunc(env, func(v plan.Variable) bool { return v.Name == ref })
		if i < 0 {
			unset = ref
			return "", true
		}
		return env[i].Value, true
	})
	if unset != "" {
		return fmt.Errorf("image %s: $%s is not set; set it, or let a job before this one report it", *name, unset)
	}
	if plan.CheckImage(image) != nil {
		return fmt.Errorf("image %s is not an image name with the values of its variables; write it as name:tag", *name)
	}
	*name = image
	return nil
}

// directory of the project below the builds directory.
func directory(run *v1alpha1.Run, job *plan.Job) string {
	if job.Checkout.Directory != "" {
		return job.Checkout.Directory
	}
	return path.Join(run.Namespace, run.Spec.Repository)
}

// asWritten puts the image names of the plan into what is said of those of the pod: the
// values of masked variables are told nowhere.
func asWritten(text string, job *plan.Job, tr *tekton.TaskRun) string {
	if job == nil || tr.Spec.TaskSpec == nil {
		return text
	}
	put := func(filled, written string) {
		if filled != "" && strings.Contains(written, "$") {
			text = strings.ReplaceAll(text, filled, written)
		}
	}
	for _, step := range tr.Spec.TaskSpec.Steps {
		put(step.Image, job.Image.Name)
	}
	for _, sidecar := range tr.Spec.TaskSpec.Sidecars {
		for i := range job.Services {
			if sidecar.Name == serviceName(i) {
				put(sidecar.Image, job.Services[i].Image.Name)
			}
		}
	}
	return text
}
