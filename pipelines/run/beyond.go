package run

import (
	"fmt"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// beyond says which jobs of a plan this server cannot run, before any of them starts.
func beyond(p *plan.Plan) []v1alpha1.Problem {
	var out []v1alpha1.Problem
	refuse := func(j *plan.Job, what, hint string) {
		out = append(out, v1alpha1.Problem{File: p.Source, Rule: "unsupported", Message: fmt.Sprintf("job %q %s", j.Name, what), Hint: hint})
	}
	for i := range p.Jobs {
		j := &p.Jobs[i]
		if j.Trigger != nil {
			refuse(j, "starts another pipeline, which this server does not run", "include the other file with include: local, or push to the other repository from a script")
		}
	}
	return out
}
