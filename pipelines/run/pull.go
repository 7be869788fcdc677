package run

import (
	"fmt"
	"slices"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// moreWays to pull an image the job names, beside the first: the most of any of its images.
func moreWays(job *plan.Job) int {
	n := len(job.Image.PullNext)
	for i := range job.Services {
		n = max(n, len(job.Services[i].Image.PullNext))
	}
	return n
}

// atWay is the job with its images pulled in the way that comes at that place, the last
// one where there are fewer. The job itself for the first.
func atWay(job *plan.Job, way int) *plan.Job {
	if way == 0 {
		return job
	}
	take := func(image *plan.Image) {
		if n := min(way, len(image.PullNext)); n > 0 {
			image.Pull = image.PullNext[n-1]
		}
	}
	out := *job
	take(&out.Image)
	out.Services = slices.Clone(job.Services)
	for i := range out.Services {
		take(&out.Services[i].Image)
	}
	return &out
}

// nextWay puts a job back whose image could not be had, where another way to pull it is
// left. That is no retry.
func nextWay(js *v1alpha1.JobStatus, job *plan.Job, reason, message string) bool {
	if reason != reasonImage || js.PullWay >= moreWays(job) {
		return false
	}
	end(js, v1alpha1.Failed, reason, message+"; the next pull_policy is tried")
	way := js.PullWay + 1
	again(js)
	js.PullWay = way
	return true
}

// unpulled says that a container waits for an image that a try could not give, for
// whatever reason. Where another way is left, nobody waits for more tries.
func unpulled(tr *tekton.TaskRun) string {
	if tr.Spec.TaskSpec == nil {
		return ""
	}
	for _, state := range tr.Status.Steps {
		for _, step := range tr.Spec.TaskSpec.Steps {
			if w := state.Waiting; w != nil && step.Name == state.Name && (w.Reason == "ErrImagePull" || w.Reason == "ImagePullBackOff") {
				return fmt.Sprintf("image %s: %s", step.Image, last(w.Message))
			}
		}
	}
	for _, state := range tr.Status.Sidecars {
		for _, sidecar := range tr.Spec.TaskSpec.Sidecars {
			if w := state.Waiting; w != nil && sidecar.Name == state.Name && (w.Reason == "ErrImagePull" || w.Reason == "ImagePullBackOff") {
				return ofService(tr, sidecar.Image) + fmt.Sprintf("image %s: %s", sidecar.Image, last(w.Message))
			}
		}
	}
	return ""
}
