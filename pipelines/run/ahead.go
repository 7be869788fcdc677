package run

import (
	"context"
	"slices"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
)

const (
	// aheadStep restores large caches while the job's own container is made ready.
	aheadStep   = "caches"
	runJobAhead = "restore-caches"
	// aheadFrom is the size from which that saves more than a container costs, also where the
	// image is there already (on two cores, 24 MB: nothing saved; 100 MB: 0.6 s of 2.5 s). A
	// smaller cache is restored beside the source, in the job's container.
	aheadFrom = 64 << 20
)

// restoresAhead says whether the job has a cache for which a step of its own pays.
func (c *Controller) restoresAhead(ctx context.Context, run *v1alpha1.Run, p *plan.Plan, job *plan.Job, js *v1alpha1.JobStatus) bool {
	early := func(cache plan.Cache) bool { return cache.Pull && len(cache.KeyFiles) == 0 }
	if c.CacheSize == nil || serverDoes(job) || !slices.ContainsFunc(job.Caches, early) {
		return false
	}
	ref := jobapi.Ref{Namespace: run.Namespace, Run: run.Name, Job: job.ID, Attempt: js.Attempt}
	j, err := c.jobOf(ctx, ref, run, p, job, js, false)
	if err != nil {
		return false // the attempt itself says so
	}
	var size int64
	for _, k := range j.Caches {
		if k.Pull && !k.Hashed {
			size += c.CacheSize(k.Scope, k.Keys)
		}
	}
	return size >= aheadFrom
}

// restoreAhead puts that step before the job's. The kubelet starts the containers of a pod
// in order, each when its image is there: this one's always is. It may do what the job
// may, and runs as its user where that is a number.
func restoreAhead(tr *tekton.TaskRun, image string) {
	job := &tr.Spec.TaskSpec.Steps[0]
	step := tekton.Step{
		Name: aheadStep, Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{entrypoint}, Args: []string{runJobAhead},
		Env:          slices.DeleteFunc(slices.Clone(job.Env), func(e corev1.EnvVar) bool { return e.Name == wire.EnvUser }),
		VolumeMounts: slices.Clone(job.VolumeMounts), SecurityContext: job.SecurityContext.DeepCopy(),
		ComputeResources: requests("10m", "32Mi"), OnError: tekton.Continue,
	}
	tr.Spec.TaskSpec.Steps = []tekton.Step{step, *job}
}
