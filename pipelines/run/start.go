package run

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// StartRequest is a run that somebody wants.
type StartRequest struct {
	Repository string
	// Ref is a full or short name; empty: the default branch.
	Ref string
	// Variables for every job; never secrets. Inputs of the pipeline file, each as JSON.
	Variables map[string]string
	Inputs    map[string]json.RawMessage
	// MergeRequest is a branch: the run is that of a request to merge Ref into it.
	MergeRequest string
	// Cause: manual (default) or api.
	Cause string
	By    string
}

// limits of what a person gives to a run.
const (
	maxVariables     = 200
	maxVariableBytes = 128 << 10
)

// Start makes a run of the commit that the ref of the request points to.
func (c *Controller) Start(ctx context.Context, namespace string, r StartRequest) (*v1alpha1.Run, error) {
	if err := checkVariables(r.Variables); err != nil {
		return nil, err
	}
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: r.Repository}, repo); err != nil {
		return nil, err
	}
	ref, err := resolve(repo, r.Ref)
	if err != nil {
		return nil, err
	}
	s := repo.Status.Refs[ref]
	run := newRun(repo, ref, s)
	run.Spec.Cause, run.Spec.By, run.Spec.Variables = r.Cause, r.By, r.Variables
	if run.Spec.Cause == "" {
		run.Spec.Cause = "manual"
	}
	if r.MergeRequest != "" {
		target, err := resolve(repo, r.MergeRequest)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(ref, "refs/heads/") || !strings.HasPrefix(target, "refs/heads/") || ref == target {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("a merge request is of one branch into another; %s into %s is not", ref, target))
		}
		run.Spec.Cause, run.Spec.Target = causeMergeRequest, target
	}
	for name, value := range r.Inputs {
		if !json.Valid(value) {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("input %q is not JSON", name))
		}
		if run.Spec.Inputs == nil {
			run.Spec.Inputs = map[string]string{}
		}
		run.Spec.Inputs[name] = string(value)
	}
	if err := c.checkAsked(ctx, run, repo); err != nil {
		return nil, err
	}
	return run, c.createNext(ctx, run, Name(r.Repository, s.Sequence))
}

// causeMergeRequest is the cause of a run that is asked for as one of a merge request.
const causeMergeRequest = "merge-request"

// resolve a name that a person gave to the full name of a ref of the repository.
func resolve(repo *v1alpha1.Repository, ref string) (string, error) {
	if ref == "" {
		if ref = repo.Spec.DefaultBranch; ref == "" {
			ref = repo.Status.DefaultBranch
		}
	}
	for _, full := range []string{ref, "refs/heads/" + ref, "refs/tags/" + ref} {
		if _, ok := repo.Status.Refs[full]; ok {
			return full, nil
		}
	}
	var known []string
	for _, name := range slices.Sorted(maps.Keys(repo.Status.Refs)) {
		known = append(known, strings.TrimPrefix(name, "refs/heads/"))
	}
	return "", apierrors.NewBadRequest(fmt.Sprintf("repository %s: %q not found; known: %s", repo.Name, ref, strings.Join(known, ", ")))
}

func checkVariables(vars map[string]string) error {
	size := 0
	for name, value := range vars {
		if !plan.ValidName(name) {
			return apierrors.NewBadRequest(fmt.Sprintf("variable %q: names have letters, digits and _, and begin with no digit", name))
		}
		size += len(name) + len(value)
	}
	if len(vars) > maxVariables || size > maxVariableBytes {
		return apierrors.NewBadRequest(fmt.Sprintf("variables: at most %d of together %d bytes", maxVariables, maxVariableBytes))
	}
	return nil
}

// Rerun makes a new run of the same commit, with what caused the first one of them. A
// child is made by its parent only.
func (c *Controller) Rerun(ctx context.Context, namespace, name, by string) (*v1alpha1.Run, error) {
	old, err := c.run(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	if old.Spec.Cause == v1alpha1.RunCauseChild && old.Spec.Parent != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("run %s is a child of run %s: retry the job %q of that one, which makes a new child", name, old.Spec.Parent.Run, old.Spec.Parent.Job))
	}
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: old.Spec.Repository}, repo); err != nil {
		return nil, err
	}
	run := newRun(repo, old.Spec.Ref, v1alpha1.RefStatus{})
	run.Spec = *old.Spec.DeepCopy()
	run.Spec.Cause, run.Spec.By = "rerun", by
	run.Spec.RerunOf = &v1alpha1.Rerun{Run: name, Cause: old.Spec.RootCause()}
	if old.Spec.Target != "" {
		run.Spec.Cause = old.Spec.Cause
	}
	run.Spec.Cancel, run.Spec.Actions, run.Spec.Parent = false, nil, nil
	if a := old.Status.Approval; a != nil && a.By != "" {
		// It is the same commit, and who starts it may approve it.
		run.Spec.Actions = []v1alpha1.RunAction{{Verb: verbApprove, By: by, At: *now()}}
	}
	return run, c.createNext(ctx, run, Name(old.Spec.Repository, old.Spec.Sequence))
}

// maxReruns of one update.
const maxReruns = 1000

// createNext takes the first free name <base>-r<N>.
func (c *Controller) createNext(ctx context.Context, run *v1alpha1.Run, base string) error {
	list := &v1alpha1.RunList{}
	if err := c.List(ctx, list, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRepository: run.Spec.Repository}); err != nil {
		return err
	}
	n := 1
	for i := range list.Items {
		var have int
		if rest, ok := strings.CutPrefix(list.Items[i].Name, base+"-r"); ok {
			if _, err := fmt.Sscanf(rest, "%d", &have); err == nil {
				n = max(n, have+1)
			}
		}
	}
	for ; n <= maxReruns; n++ {
		run.Name, run.ResourceVersion = fmt.Sprintf("%s-r%d", base, n), ""
		if old, err := c.archived(run.Namespace, run.Name); err != nil {
			return err
		} else if old != nil {
			continue
		}
		err := c.Create(ctx, run)
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return fmt.Errorf("run %s was repeated %d times already; push a new commit", base, maxReruns)
}
