package run

import (
	"fmt"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// gone says which artifacts that a job takes have expired; it then fails, as in GitLab,
// and does not run without them. Empty: none has. A job that kept none is no fault.
func gone(run *v1alpha1.Run, p *plan.Plan, job *plan.Job, at time.Time) string {
	var names []string
	for _, n := range job.Needs {
		if !n.Artifacts || p.Job(n.Job) == nil {
			continue
		}
		js := jobStatus(run, n.Job)
		if js != nil && !js.Artifacts && js.ArtifactsExpire != nil && !at.Before(js.ArtifactsExpire.Time) {
			names = append(names, n.Job)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("it takes the artifacts of %s, which have expired; retry what made them, and artifacts:expire_in keeps them longer", strings.Join(names, ", "))
}
