package run

import (
	"maps"
	"slices"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// played is the plan with what was given to the play of the job among the variables
// that are given by hand, of which it is the last word. A retry has them again. Which
// environment the job is for, and so which secrets it gets, they do not change: that
// is of the plan as it was compiled.
func played(run *v1alpha1.Run, p *plan.Plan, js *v1alpha1.JobStatus) *plan.Plan {
	if js == nil || js.Played < 1 || js.Played > len(run.Spec.Actions) {
		return p
	}
	vars := run.Spec.Actions[js.Played-1].Variables
	if len(vars) == 0 {
		return p
	}
	with := *p
	with.Given = slices.Clone(p.Given)
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		with.Given = append(with.Given, plan.Variable{Name: name, Value: vars[name], Raw: true})
	}
	return &with
}
