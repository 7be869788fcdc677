package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

// forgetFiles deletes what the attempts left that are put aside between before and run,
// so that nobody takes it for the next one's. It comes before that is written down: the
// next attempt cannot have stored anything yet, and after a crash the same is put aside
// again.
func (c *Controller) forgetFiles(ctx context.Context, before, run *v1alpha1.Run, p *plan.Plan) error {
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		was, job := jobStatus(before, js.Name), p.Job(js.Name)
		if was == nil || job == nil || was.Attempt == 0 || newestAside(was) == newestAside(js) {
			continue
		}
		names := []string{jobapi.ArtifactName(job.ID), jobapi.TestsName(job.ID), jobapi.DotenvName(job.ID), jobapi.CoverageName(job.ID)}
		if a := wireArtifacts(job.Artifacts, func(s string) string { return s }); a != nil {
			for _, kind := range slices.Sorted(maps.Keys(a.Reports)) {
				names = append(names, jobapi.ReportName(job.ID, kind))
			}
		}
		for _, name := range names {
			if err := c.Artifacts.Delete(ctx, run.Namespace, run.Name, name); err != nil {
				return fmt.Errorf("run %s: files of an earlier attempt of job %s: %w", run.Name, js.Name, err)
			}
		}
	}
	return nil
}

// newestAside is the number of the newest attempt that was put aside.
func newestAside(js *v1alpha1.JobStatus) int {
	if n := len(js.Attempts); n > 0 {
		return js.Attempts[n-1].Number
	}
	return 0
}

const (
	// serviceGrace is how long services have to end once their job did and its log is
	// complete. GitLab Runner gives them none.
	serviceGrace = 1 // second
	// serviceAsk is how long they are asked to; the pod goes with its TaskRun anyway.
	serviceAsk = time.Minute
)

// endServices of a job that is over. Tekton ends them with the pod's grace, 30 seconds, and
// a stopped pod has the time of its after_script: whoever ignores SIGTERM would stay so long.
func (c *Controller) endServices(ctx context.Context, tr *tekton.TaskRun) error {
	if len(tr.Status.Sidecars) == 0 || tr.Status.PodName == "" || tr.Status.CompletionTime == nil || time.Since(tr.Status.CompletionTime.Time) > serviceAsk {
		return nil
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: tr.Namespace, Name: tr.Status.PodName}}
	if err := c.Delete(ctx, pod, client.GracePeriodSeconds(serviceGrace)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("task run %s: end its services: %w", tr.Name, err)
	}
	return nil
}
