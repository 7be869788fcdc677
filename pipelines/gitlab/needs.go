package gitlab

import (
	"slices"

	"slipway.dev/pipelines/plan"
)

type need struct {
	plan.Need
	at place
}

// readNeeds of a job; given says whether the key is there at all.
func (c *compiler) readNeeds(j *job, v *value) {
	if v == nil {
		return
	}
	j.byNeeds = true
	items := []*value{v}
	if v.kind == kindList {
		items = v.items
	}
	for _, item := range items {
		n := need{Need: plan.Need{Artifacts: true}, at: item.place}
		switch item.kind {
		case kindString, kindNumber, kindBool:
			n.Job = item.text
		case kindMap:
			needKeys.check(item, c.problems)
			name := item.get("job")
			if name == nil || !name.scalar() {
				if item.get("pipeline") == nil && item.get("project") == nil {
					c.add(item.place, ruleType, "write `- job: NAME`", "a need names a job")
				}
				continue
			}
			n.Job, n.at = name.text, name.place
			c.flag(item.get("artifacts"), "artifacts", &n.Artifacts)
			c.flag(item.get("optional"), "optional", &n.Optional)
		default:
			c.add(item.place, ruleType, "", "a need is the name of a job or a mapping, and this is %s", item.kind)
			continue
		}
		if slices.ContainsFunc(j.needs, func(o need) bool { return o.Job == n.Job }) {
			c.add(n.at, ruleDuplicate, "", "job %q needs %q twice", j.plan.Name, n.Job)
			continue
		}
		if !c.known(n.Job) && !n.Optional {
			c.add(n.at, ruleNeed, didYouMean(n.Job, c.jobNames()), "job %q needs %q; there is no such job", j.plan.Name, n.Job)
			continue
		}
		j.needs = append(j.needs, n)
	}
}

func (c *compiler) readDependencies(j *job, v *value) {
	if v == nil {
		return
	}
	if v.kind != kindList {
		c.add(v.place, ruleType, "", "dependencies is a list of jobs, and this is %s", v.kind)
		return
	}
	j.limited = true
	for _, item := range v.items {
		if !item.scalar() || !c.known(item.text) {
			c.add(item.place, ruleNeed, didYouMean(item.text, c.jobNames()), "job %q depends on %q; there is no such job", j.plan.Name, item.text)
			continue
		}
		if j.byNeeds && !slices.ContainsFunc(j.needs, func(n need) bool { return n.Job == item.text }) {
			c.add(item.place, ruleNeed, "add it to needs", "job %q depends on %q, which is not in its needs", j.plan.Name, item.text)
		}
		j.dependencies = append(j.dependencies, item.text)
		j.dependencyPlaces = append(j.dependencyPlaces, item.place)
	}
}

// checkDependencies once the stages of all jobs are known.
func (c *compiler) checkDependencies() {
	for _, j := range c.jobs {
		if j.byNeeds {
			continue
		}
		for i, name := range j.dependencies {
			if other := c.byName[name]; other != nil && other.stage >= j.stage && j.stage >= 0 {
				c.add(j.dependencyPlaces[i], ruleNeed, "write it as needs", "job %q depends on %q, which is not in an earlier stage", j.plan.Name, name)
			}
		}
	}
}

// stageNeeds are the edges of a job: its needs, or all jobs of earlier stages.
func (c *compiler) stageNeeds(j *job, among []*job) []need {
	var out []need
	if j.byNeeds {
		out = slices.Clone(j.needs)
	} else {
		for _, other := range among {
			if other.stage < j.stage {
				out = append(out, need{Need: plan.Need{Job: other.plan.Name, Artifacts: true}})
			}
		}
	}
	if j.limited {
		for i := range out {
			out[i].Artifacts = out[i].Artifacts && slices.Contains(j.dependencies, out[i].Job)
		}
	}
	return out
}

func (c *compiler) known(name string) bool {
	_, ok := c.root.index[name]
	return ok && !isGlobal(name) && name != "" && name[0] != '.'
}

func (c *compiler) jobNames() []string {
	var names []string
	for _, e := range c.root.keys {
		if c.known(e.name) {
			names = append(names, e.name)
		}
	}
	return names
}

func (c *compiler) flag(v *value, name string, into *bool) {
	if v == nil {
		return
	}
	yes, ok := v.truth()
	if !ok {
		c.add(v.place, ruleType, "", "%s is true or false, and this is %s", name, v.kind)
		return
	}
	*into = yes
}
