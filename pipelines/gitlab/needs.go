package gitlab

import (
	"regexp"
	"slices"
	"strings"

	"slipway.dev/pipelines/plan"
)

// need of a job, by its name in the file; matrix limits it to some of its copies.
type need struct {
	plan.Need
	at     place
	matrix [][]plan.Variable
}

// needs as they are written, before the jobs are known.
type needs struct {
	list []need
}

type dependency struct {
	name string
	at   place
}

func (c *compiler) readNeeds(j *job, v *value, row []plan.Variable) {
	if v == nil {
		return
	}
	j.byNeeds = true
	v = c.ofMatrix(v, row, j.plan.Group != "")
	j.needs = c.needsOf(v).list
}

func (c *compiler) needsOf(v *value) *needs {
	out := &needs{}
	items := []*value{v}
	if v.kind == kindList {
		items = c.flatten(v.items, "needs")
	}
	for _, item := range items {
		n := need{Need: plan.Need{Artifacts: true}, at: item.place}
		switch item.kind {
		case kindString, kindNumber, kindBool:
			n.Job = item.text
		case kindMap:
			if !c.needMap(item, &n) {
				continue
			}
		default:
			c.add(item.place, ruleType, "", "a need is the name of a job or a mapping, and this is %s", item.kind)
			continue
		}
		if n.matrix == nil && slices.ContainsFunc(out.list, func(o need) bool { return o.Job == n.Job && o.matrix == nil }) {
			c.add(n.at, ruleDuplicate, "", "the job needs %q twice", n.Job)
			continue
		}
		out.list = append(out.list, n)
	}
	return out
}

func (c *compiler) needMap(item *value, n *need) bool {
	needKeys.check(item, c.problems)
	if item.get("pipeline") != nil || item.get("project") != nil {
		return false // refused by name
	}
	name := item.get("job")
	if name == nil || !name.scalar() {
		c.add(item.place, ruleType, "write `- job: NAME`", "a need names a job")
		return false
	}
	n.Job, n.at = name.text, name.place
	c.flag(item.get("artifacts"), "artifacts", &n.Artifacts)
	c.flag(item.get("optional"), "optional", &n.Optional)
	p := item.get("parallel")
	if p == nil {
		return true
	}
	if p.kind != kindMap || p.get("matrix") == nil {
		c.add(p.place, ruleType, "write `matrix:` below it", "needs:parallel is a mapping with a matrix")
		return false
	}
	parallelKeys.check(p, c.problems)
	n.matrix = c.readMatrix(p.get("matrix"), "needs:parallel:matrix")
	return len(n.matrix) > 0
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
	for _, item := range c.flatten(v.items, "dependencies") {
		if name := c.text(item, "dependencies"); name != "" {
			j.dependencies = append(j.dependencies, dependency{name, item.place})
		}
	}
}

// targets of a name: the job, all copies of it, or the one copy that is named whole.
func (c *compiler) targets(name string, matrix [][]plan.Variable) []*job {
	copies := c.copies[name]
	if copies == nil {
		if one := c.byName[name]; one != nil && matrix == nil {
			return []*job{one}
		}
		return nil
	}
	if matrix == nil {
		return copies
	}
	var out []*job
	for _, vars := range matrix {
		want := matrixName(name, vars)
		for _, one := range copies {
			if one.plan.Name == want {
				out = append(out, one)
			}
		}
	}
	return out
}

// checkDependencies once all jobs and their stages are known.
func (c *compiler) checkDependencies() {
	for _, j := range c.jobs {
		for _, n := range j.needs {
			c.checkNeed(j, n)
		}
		for _, d := range j.dependencies {
			c.checkDependency(j, d)
		}
	}
	c.checkStops()
	c.checkChildren()
}

func (c *compiler) checkNeed(j *job, n need) {
	if n.matrix != nil && len(c.copies[n.Job]) > 0 {
		for _, row := range n.matrix {
			if len(c.targets(n.Job, [][]plan.Variable{row})) == 0 && !n.Optional {
				c.add(n.at, ruleNeed, "write the variables in the order of that job's matrix, each with one of its values",
					"job %q needs %q, a copy of %q that its matrix does not make", j.plan.Name, matrixName(n.Job, row), n.Job)
			}
		}
		return
	}
	if len(c.targets(n.Job, n.matrix)) > 0 || n.Optional {
		return
	}
	c.add(n.at, ruleNeed, didYouMean(n.Job, c.jobNames()), "job %q needs %q; there is no such job", j.plan.Name, n.Job)
}

func (c *compiler) checkDependency(j *job, d dependency) {
	targets := c.targets(d.name, nil)
	if len(targets) == 0 {
		c.add(d.at, ruleNeed, didYouMean(d.name, c.jobNames()), "job %q depends on %q; there is no such job", j.plan.Name, d.name)
		return
	}
	if j.byNeeds {
		if !slices.ContainsFunc(j.needs, func(n need) bool { return n.Job == d.name || n.Job == targets[0].plan.Name }) {
			c.add(d.at, ruleNeed, "add it to needs", "job %q depends on %q, which is not in its needs", j.plan.Name, d.name)
		}
		return
	}
	if targets[0].stage >= j.stage && j.stage >= 0 {
		c.add(d.at, ruleNeed, "write it as needs", "job %q depends on %q, which is not in an earlier stage", j.plan.Name, d.name)
	}
}

func (c *compiler) jobNames() []string {
	var names []string
	for _, e := range c.root.keys {
		if len(c.copies[e.name]) > 0 {
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

// ofMatrix fills $[[ matrix.NAME ]] in with the values of the copy of a job. What aliases
// share stays shared.
func (c *compiler) ofMatrix(v *value, row []plan.Variable, copied bool) *value {
	done := map[*value]*value{}
	var fill func(v *value) *value
	fill = func(v *value) *value {
		if out, ok := done[v]; ok {
			return out
		}
		out := v
		switch v.kind {
		case kindString:
			if strings.Contains(v.text, "$[[") {
				out = &value{kind: kindString, text: c.matrixText(v, row, copied), place: v.place}
			}
		case kindList:
			out = &value{kind: kindList, place: v.place, items: make([]*value, len(v.items))}
			for i, item := range v.items {
				out.items[i] = fill(item)
			}
		case kindMap:
			out = &value{kind: kindMap, place: v.place}
			for _, e := range v.keys {
				e.val = fill(e.val)
				out.put(e)
			}
		}
		done[v] = out
		return out
	}
	return fill(v)
}

var matrixBlock = regexp.MustCompile(`\$\[\[\s*matrix\.([A-Za-z0-9_]+)\s*\]\]`)

func (c *compiler) matrixText(v *value, row []plan.Variable, copied bool) string {
	return matrixBlock.ReplaceAllStringFunc(v.text, func(block string) string {
		name := matrixBlock.FindStringSubmatch(block)[1]
		i := slices.IndexFunc(row, func(x plan.Variable) bool { return x.Name == name })
		if i >= 0 {
			return row[i].Value
		}
		hint := "declare it in parallel:matrix of this job"
		if !copied {
			hint = "the job has no parallel:matrix; write the values"
		}
		c.add(v.place, ruleNeed, hint, "%s: the job's matrix has no %q", block, name)
		return block
	})
}
