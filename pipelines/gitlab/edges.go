package gitlab

import (
	"errors"

	"slipway.dev/pipelines/plan"
)

// edges turns stages and needs into the needs of the plan's jobs, for the jobs that
// the rules let in, and looks for circles in the whole file.
func (c *compiler) edges(p *plan.Plan) {
	all := &plan.Plan{}
	for _, j := range c.jobs {
		one := plan.Job{Name: j.plan.Name}
		for _, n := range c.edgesOf(j, c.jobs) {
			one.Needs = append(one.Needs, n.Need)
		}
		all.Jobs = append(all.Jobs, one)
	}
	var cycle *plan.CycleError
	if _, err := all.Order(); errors.As(err, &cycle) {
		c.cycle(cycle)
		return
	}
	var in []*job
	for _, j := range c.jobs {
		if j.included {
			in = append(in, j)
		}
	}
	p.Jobs = make([]plan.Job, 0, len(in))
	for _, j := range in {
		j.plan.Needs = nil
		for _, n := range c.edgesOf(j, in) {
			if !c.byName[n.Job].included {
				if !n.Optional {
					c.add(n.at, ruleNeed, "add `optional: true` to this need, or let the rules of both agree",
						"job %q needs %q, which its rules leave out of this pipeline", j.plan.Name, n.Job)
				}
				continue
			}
			n.Optional = false
			j.plan.Needs = append(j.plan.Needs, n.Need)
		}
		p.Jobs = append(p.Jobs, j.plan)
	}
}

// edgesOf a job: its needs, each once by the name of the copy, or all jobs of
// earlier stages.
func (c *compiler) edgesOf(j *job, among []*job) []need {
	var out []need
	if j.byNeeds {
		seen := map[string]bool{}
		for _, n := range j.needs {
			for _, target := range c.targets(n.Job, n.matrix) {
				if seen[target.plan.Name] {
					continue
				}
				seen[target.plan.Name] = true
				n.Job = target.plan.Name
				out = append(out, n)
			}
		}
	} else {
		for _, other := range among {
			if other.stage < j.stage {
				out = append(out, need{Need: plan.Need{Job: other.plan.Name, Artifacts: true}})
			}
		}
	}
	if !j.limited {
		return out
	}
	from := map[string]bool{}
	for _, d := range j.dependencies {
		for _, target := range c.targets(d.name, nil) {
			from[target.plan.Name] = true
		}
	}
	for i := range out {
		out[i].Artifacts = out[i].Artifacts && from[out[i].Job]
	}
	return out
}

func (c *compiler) cycle(e *plan.CycleError) {
	first, next := c.byName[e.Jobs[0]], e.Jobs[1%len(e.Jobs)]
	at := first.at
	for _, n := range first.needs {
		for _, target := range c.targets(n.Job, n.matrix) {
			if target.plan.Name == next {
				at = n.at
			}
		}
	}
	c.add(at, ruleCycle, "remove one of these needs", "%s", e)
}
