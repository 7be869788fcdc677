package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// MayStart says whether a user may start runs in a namespace. Nil: nobody may.
type MayStart func(ctx context.Context, namespace, user string) (bool, error)

// startChild makes the run that a job with a trigger starts: a child of this one, or one
// of another repository. The status names it already; one that is there already stays.
func (c *Controller) startChild(ctx context.Context, run *v1alpha1.Run, p *plan.Plan, job *plan.Job, js *v1alpha1.JobStatus) error {
	forwarded, told, err := c.forward(ctx, run, p, job, js)
	if err != nil {
		return err
	}
	var child *v1alpha1.Run
	if by := causer(run, js); job.Trigger.Repository == "" {
		child, err = c.sameCommit(ctx, run, by)
	} else {
		child, err = c.elsewhere(ctx, run, job, by, told)
	}
	if err != nil {
		return err
	}
	upstream, err := c.lineage(ctx, run, child)
	if err != nil {
		return err
	}
	child.Name, child.Labels[v1alpha1.LabelRootRun] = js.Child, upstream[0].Run
	child.Spec.Parent = &v1alpha1.RunParent{Run: run.Name, Job: js.Name, Attempt: js.Attempt, Upstream: upstream}
	child.Spec.Forwarded = forwarded
	if err := c.Create(ctx, child); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("job %s: run %s: %w", job.Name, child.Name, err)
	} else if err == nil {
		c.Log.Info("run made", "namespace", child.Namespace, "run", child.Name, "by", run.Name, "job", js.Name)
	}
	return nil
}

// causer of what a job does: who played it or asked for it again, or caused its run.
func causer(run *v1alpha1.Run, js *v1alpha1.JobStatus) string {
	if js.By == somebody {
		return ""
	}
	return cmp.Or(js.By, run.Spec.By)
}

// sameCommit is a child for what its parent is for.
func (c *Controller) sameCommit(ctx context.Context, run *v1alpha1.Run, by string) (*v1alpha1.Run, error) {
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository}, repo); err != nil {
		return nil, refusedIfGone(err, "repository "+run.Spec.Repository)
	}
	child := newRun(repo, run.Spec.Ref, v1alpha1.RefStatus{})
	child.Spec = *run.Spec.DeepCopy()
	s := &child.Spec
	s.Cause, s.By, s.Schedule = v1alpha1.RunCauseChild, by, ""
	s.Cancel, s.Actions, s.Variables, s.Inputs = false, nil, nil, nil
	child.OwnerReferences = append(child.OwnerReferences, metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "Run", Name: run.Name, UID: run.UID,
	})
	return child, nil
}

// elsewhere is a run of another repository of the namespace, where whoever caused this
// one could start it, or where that repository lets this one.
func (c *Controller) elsewhere(ctx context.Context, run *v1alpha1.Run, job *plan.Job, by string, env []plan.Variable) (*v1alpha1.Run, error) {
	t := job.Trigger
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: t.Repository}, repo); err != nil {
		return nil, refusedIfGone(err, "repository "+t.Repository)
	}
	if untrusted(run) {
		return nil, refusedError{errors.New("the merge request of a fork starts no runs of other repositories")}
	}
	if !repo.Triggerable(run.Spec.Repository) {
		if err := c.mayStart(ctx, run, t.Repository, by); err != nil {
			return nil, err
		}
	}
	branch := plan.ExpandIn(t.Branch, env)
	if strings.Contains(branch, "\x00") {
		return nil, refusedError{fmt.Errorf("the branch %q of repository %s refers to a secret, which is not known here", t.Branch, t.Repository)}
	}
	ref, err := resolve(repo, branch)
	if err != nil {
		return nil, refusedError{err}
	}
	child := newRun(repo, ref, repo.Status.Refs[ref])
	child.Spec.Cause, child.Spec.By, child.Spec.Before = v1alpha1.RunCausePipeline, by, ""
	if child.Spec.Inputs, err = inputs(t.Inputs); err != nil {
		return nil, refusedError{err}
	}
	return child, nil
}

func (c *Controller) mayStart(ctx context.Context, run *v1alpha1.Run, repository, by string) error {
	if by == "" {
		return refusedError{fmt.Errorf("nobody that this server knows caused run %s, so it may start no run of repository %s; name %s in spec.triggeredBy of that one to allow it", run.Name, repository, run.Spec.Repository)}
	}
	allowed, err := false, error(nil)
	if c.MayStart != nil {
		allowed, err = c.MayStart(ctx, run.Namespace, by)
	}
	if err != nil {
		return fmt.Errorf("may %s start runs of repository %s: %w", by, repository, err)
	}
	if !allowed {
		return refusedError{fmt.Errorf("%s may not start runs of repository %s; a role that allows it, or %s in spec.triggeredBy of that repository, would", by, repository, run.Spec.Repository)}
	}
	return nil
}

// inputs as a run keeps them.
func inputs(in map[string]json.RawMessage) (map[string]string, error) {
	var out map[string]string
	for name, value := range in {
		if !json.Valid(value) {
			return nil, fmt.Errorf("input %q is not JSON", name)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = string(value)
	}
	return out, nil
}

func refusedIfGone(err error, what string) error {
	if apierrors.IsNotFound(err) {
		return refusedError{fmt.Errorf("%s is not there", what)}
	}
	return err
}

// deleteChildren of a run that is deleted, with all that they left. Runs of other
// repositories that it started stay.
func (c *Controller) deleteChildren(ctx context.Context, run *v1alpha1.Run) error {
	for _, name := range childrenOf(run) {
		child := &v1alpha1.Run{}
		err := c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: name}, child)
		if err == nil && child.Spec.Cause == v1alpha1.RunCauseChild && child.Spec.Parent != nil && child.Spec.Parent.Run == run.Name {
			err = c.Delete(ctx, child)
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("run %s: delete its child %s: %w", run.Name, name, err)
		}
	}
	return nil
}

// childrenOf a run: all that its jobs started, or are about to.
func childrenOf(run *v1alpha1.Run) []string {
	out := slices.Clone(run.Status.Children)
	for i := range run.Status.Jobs {
		if child := run.Status.Jobs[i].Child; child != "" && !slices.Contains(out, child) {
			out = append(out, child)
		}
	}
	return out
}
