package run

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

const (
	// expireEvery is how often expired artifacts are looked for.
	expireEvery = 10 * time.Minute
	// expireAtOnce is how many runs of the archive are read at one time.
	expireAtOnce = 100
)

// ExpireArtifacts deletes what has expired, now and then, until ctx ends. What the
// newest successful run of each ref that is still there kept stays.
func (c *Controller) ExpireArtifacts(ctx context.Context) error {
	t := time.NewTicker(expireEvery)
	defer t.Stop()
	for {
		if err := c.expire(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.Log.Error("expire artifacts", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (c *Controller) expire(ctx context.Context, at time.Time) error {
	list := &v1alpha1.RunList{}
	if err := c.List(ctx, list); err != nil {
		return err
	}
	repos, err := c.repositoriesOf(ctx, list.Items)
	if err != nil {
		return err
	}
	kept := map[types.NamespacedName]bool{}
	for _, run := range newestByRef(list.Items, repos, keepsArtifacts) {
		kept[key(run)] = true
	}
	for i := range list.Items {
		run := &list.Items[i]
		if !run.Status.Phase.Finished() || kept[types.NamespacedName{Namespace: run.Namespace, Name: eldest(run)}] {
			continue
		}
		before := run.DeepCopy()
		if err := c.expireRun(ctx, run, at); err != nil {
			return err
		}
		if equalStatus(&before.Status, &run.Status) {
			continue
		}
		err := c.Status().Patch(ctx, run, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if err != nil && !isMoved(err) { // the next look finds it again
			return err
		}
	}
	return c.expireArchived(ctx, at)
}

// keepsArtifacts says whether a run may be the one of its ref that keeps them. Children go
// with the run that they are of.
func keepsArtifacts(run *v1alpha1.Run) bool {
	return run.Status.Phase == v1alpha1.Succeeded && run.Spec.Cause != v1alpha1.RunCauseChild
}

// expireArchived goes on until nothing in the archive has expired.
func (c *Controller) expireArchived(ctx context.Context, at time.Time) error {
	for {
		runs, err := c.Archive.Expired(at, expireAtOnce)
		if err != nil || len(runs) == 0 {
			return err
		}
		for i := range runs {
			if err := c.expireRun(ctx, &runs[i], at); err != nil {
				return err
			}
			if err := c.Archive.Put(&runs[i]); err != nil {
				return err
			}
		}
	}
}

// expireRun deletes what has expired of one run and says so in its status.
func (c *Controller) expireRun(ctx context.Context, run *v1alpha1.Run, at time.Time) error {
	var p *plan.Plan
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		if !js.Artifacts || js.ArtifactsExpire == nil || at.Before(js.ArtifactsExpire.Time) {
			continue
		}
		if p == nil {
			var err error
			if p, err = c.loadPlan(ctx, run.Namespace, run.Name); err != nil {
				return err
			}
		}
		if job := findJob(p, js.Name); job != nil {
			if err := c.Artifacts.Delete(ctx, run.Namespace, run.Name, jobapi.ArtifactName(job.ID)); err != nil {
				return fmt.Errorf("run %s: artifacts of job %s: %w", run.Name, js.Name, err)
			}
		}
		js.Artifacts, js.Exposed = false, nil
	}
	return nil
}

// later says whether a was made after b.
func later(a, b *v1alpha1.Run) bool {
	if a.Spec.Sequence != b.Spec.Sequence {
		return a.Spec.Sequence > b.Spec.Sequence
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return b.CreationTimestamp.Before(&a.CreationTimestamp)
	}
	return a.Name > b.Name
}
