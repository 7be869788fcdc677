package run

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// Actions of one run, as the type has them: whatever was asked of it, its jobs can still
// be canceled, and after that the run as a whole.
const (
	maxActions    = 2000
	maxJobCancels = maxActions + 1000
	maxCancels    = maxJobCancels + 100
)

// run as it is in etcd, or as it was where it is archived: then it has no resourceVersion.
func (c *Controller) run(ctx context.Context, namespace, name string) (*v1alpha1.Run, error) {
	run := &v1alpha1.Run{}
	err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, run)
	if !apierrors.IsNotFound(err) {
		return run, err
	}
	if old, aerr := c.archived(namespace, name); old != nil || aerr != nil {
		return old, aerr
	}
	return run, err
}

// Run by name, wherever it is.
func (c *Controller) Run(ctx context.Context, namespace, name string) (*v1alpha1.Run, error) {
	return c.run(ctx, namespace, name)
}

// Cancel asks a run to stop what runs and to start nothing more.
func (c *Controller) Cancel(ctx context.Context, namespace, name, by string) error {
	c.Log.Info("run is to be canceled", "namespace", namespace, "run", name, "by", by)
	return c.amend(ctx, namespace, name, func(run *v1alpha1.Run) error {
		if run.Status.Phase.Finished() || run.Spec.Cancel {
			return nil
		}
		run.Spec.Cancel = true
		return ask(run, v1alpha1.RunAction{Verb: verbCancel, By: by})
	})
}

// Act asks for things to be done to jobs, all or none. Job names a job by its name or
// ID; it is empty in a retry of all that failed, and in the approval of the run. A run
// that is over begins again.
func (c *Controller) Act(ctx context.Context, namespace, name string, actions ...v1alpha1.RunAction) error {
	p, err := c.loadPlan(ctx, namespace, name)
	if err != nil {
		return err
	}
	return c.amend(ctx, namespace, name, func(run *v1alpha1.Run) error {
		for _, a := range actions {
			if err := checkVariables(a.Variables); err != nil {
				return err
			}
			if err := check(run, p, &a); err != nil {
				return err
			}
			if run.Spec.Cancel && (a.Verb == verbRetry || a.Verb == verbFrom) {
				run.Spec.Cancel = false // it is over: check saw to that
			}
			if err := ask(run, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// check that an action fits the run as it is, and put the job's name where its ID was.
func check(run *v1alpha1.Run, p *plan.Plan, a *v1alpha1.RunAction) error {
	if a.Verb == verbRetry && a.Job == "" {
		switch {
		case p == nil:
			return apierrors.NewBadRequest("run " + run.Name + " never had jobs; start a new one with rerun")
		case run.Spec.Cancel && !run.Status.Phase.Finished():
			return apierrors.NewBadRequest("run " + run.Name + " is being canceled; wait until it is over")
		}
		for i := range run.Status.Jobs {
			if again := run.Status.Jobs[i]; again.Phase == v1alpha1.Canceled || again.Phase == v1alpha1.Failed && !again.AllowFailure {
				return nil
			}
		}
		return apierrors.NewBadRequest("run " + run.Name + ": no job failed or was canceled")
	}
	if a.Verb == verbApprove && a.Job == "" {
		return checkApproval(run)
	}
	job := findJob(p, a.Job)
	if job == nil || jobStatus(run, job.Name) == nil {
		return noJob(run, a.Job)
	}
	a.Job = job.Name
	if why := fits(run, p, jobStatus(run, job.Name), job, a.Verb); why != "" {
		return apierrors.NewBadRequest(fmt.Sprintf("job %q: %s; it is %s", job.Name, why, jobStatus(run, job.Name).Phase))
	}
	return nil
}

func ask(run *v1alpha1.Run, a v1alpha1.RunAction) error {
	limit := maxActions
	switch {
	case a.Verb == verbCancel && a.Job == "":
		limit = maxCancels
	case a.Verb == verbCancel:
		limit = maxJobCancels
	}
	if n := len(run.Spec.Actions); n >= limit {
		return apierrors.NewBadRequest(fmt.Sprintf("run %s: %d things were asked of it already; start a new one with rerun", run.Name, n))
	}
	a.At = *now()
	run.Spec.Actions = append(run.Spec.Actions, a)
	if n := actionBytes(run); n > maxActionBytes {
		return apierrors.NewBadRequest(fmt.Sprintf("run %s: the variables of all that was asked of it have %d bytes, at most %d; start a new one with rerun", run.Name, n, maxActionBytes))
	}
	return nil
}

// amend writes what f makes of the run's spec, on its newest version. A run in the archive
// comes back for it, unless f refuses.
func (c *Controller) amend(ctx context.Context, namespace, name string, f func(*v1alpha1.Run) error) error {
	return retry.OnError(retry.DefaultBackoff, func(err error) bool { return apierrors.IsConflict(err) || errors.Is(err, errMoving) }, func() error {
		run, err := c.run(ctx, namespace, name)
		if err != nil {
			return err
		}
		before := run.DeepCopy()
		if err := f(run); err != nil {
			return err
		}
		if len(run.Spec.Actions) == len(before.Spec.Actions) {
			return nil
		}
		if before.ResourceVersion == "" {
			if err := c.revive(ctx, before); err != nil {
				return err
			}
			return errMoving
		}
		if run.Annotations[v1alpha1.AnnotationArchived] != "" {
			return errMoving // it is on its way; look again
		}
		return c.Patch(ctx, run, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	})
}

var errMoving = errors.New("the run is on its way into the archive or out of it; try again")

// findJob of the plan by its name or ID, or nil.
func findJob(p *plan.Plan, job string) *plan.Job {
	if p == nil {
		return nil
	}
	if j := p.Job(job); j != nil {
		return j
	}
	for i := range p.Jobs {
		if p.Jobs[i].ID == job {
			return &p.Jobs[i]
		}
	}
	return nil
}

// job by its name or ID.
func (c *Controller) job(ctx context.Context, namespace, name, job string) (*v1alpha1.Run, *plan.Job, error) {
	run, err := c.run(ctx, namespace, name)
	if err != nil {
		return nil, nil, err
	}
	p, err := c.loadPlan(ctx, namespace, name)
	if err != nil {
		return nil, nil, err
	}
	if j := findJob(p, job); j != nil && jobStatus(run, j.Name) != nil {
		return run, j, nil
	}
	return nil, nil, noJob(run, job)
}

// noJob says which jobs there are.
func noJob(run *v1alpha1.Run, job string) error {
	var known []string
	for _, j := range run.Status.Jobs {
		known = append(known, j.Name)
	}
	if len(known) > 20 {
		known = append(known[:20], "…")
	}
	err := apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("jobs").GroupResource(), job)
	err.ErrStatus.Message = fmt.Sprintf("run %s has no job %q; it has: %s", run.Name, job, strings.Join(known, ", "))
	return err
}
