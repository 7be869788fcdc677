package run

import (
	"context"
	"strconv"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/joblog"
)

const (
	// keepTaskRuns is how long ended TaskRuns and their pods stay for people to look at.
	// Every pod that stays costs the node: its runtime lists them all, every second.
	keepTaskRuns = time.Minute
	// sweepEvery is how often those that were kept long enough are looked for.
	sweepEvery = 15 * time.Second
)

// SweepTaskRuns deletes ended TaskRuns, and with them their pods, now and then, until
// ctx ends. What they had to say is in the status of the run and in the job's log.
func (c *Controller) SweepTaskRuns(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := c.sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.Log.Error("delete ended task runs", "err", err)
		}
	}
}

func (c *Controller) sweep(ctx context.Context, at time.Time) error {
	list := &tekton.TaskRunList{}
	if err := c.List(ctx, list, client.HasLabels{v1alpha1.LabelRun}, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range list.Items {
		tr := &list.Items[i]
		if !tr.IsDone() || tr.Status.CompletionTime == nil || at.Sub(tr.Status.CompletionTime.Time) < keepTaskRuns {
			continue
		}
		needed, err := c.needed(ctx, tr)
		if err != nil {
			return err
		}
		if needed {
			continue
		}
		gone := &tekton.TaskRun{ObjectMeta: metav1.ObjectMeta{Namespace: tr.Namespace, Name: tr.Name}}
		if err := c.Delete(ctx, gone, client.PropagationPolicy(metav1.DeletePropagationBackground)); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

// attemptOf a job that the TaskRun is.
func attemptOf(tr *tekton.TaskRun) (joblog.Attempt, bool) {
	number, err := strconv.Atoi(tr.Labels[v1alpha1.LabelAttempt])
	return joblog.Attempt{Namespace: tr.Namespace, Run: tr.Labels[v1alpha1.LabelRun], Job: tr.Labels[v1alpha1.LabelJob], Number: number}, err == nil
}

// needed says whether an ended TaskRun has still to be looked at: its log is not
// complete, or its run has not noted how it ended. Without a run it goes with that.
func (c *Controller) needed(ctx context.Context, tr *tekton.TaskRun) (bool, error) {
	run := &v1alpha1.Run{}
	err := c.Get(ctx, types.NamespacedName{Namespace: tr.Namespace, Name: tr.Labels[v1alpha1.LabelRun]}, run)
	if err != nil {
		return true, client.IgnoreNotFound(err)
	}
	if a, ok := attemptOf(tr); !ok || !c.LogStore.Sealed(a) {
		return true, nil
	}
	for i := range run.Status.Jobs {
		if js := &run.Status.Jobs[i]; js.TaskRun == tr.Name {
			return !js.Phase.Finished(), nil
		}
	}
	return false, nil
}
