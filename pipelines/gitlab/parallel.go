package gitlab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"slipway.dev/pipelines/plan"
)

// maxParallel copies of one job.
const maxParallel = 200

// instance is one of the copies that parallel makes of a job; a job without it is
// its only one.
type instance struct {
	name, group  string
	index, total int
	variables    []plan.Variable
}

// predefined variables of a job, from its name and place alone.
func (i instance) predefined(stage string) []plan.Variable {
	vars := []plan.Variable{
		{Name: "CI_JOB_NAME", Value: i.name, Raw: true},
		{Name: "CI_JOB_NAME_SLUG", Value: slug(i.name), Raw: true},
		{Name: "CI_JOB_STAGE", Value: stage, Raw: true},
		{Name: "CI_NODE_TOTAL", Value: strconv.Itoa(i.total), Raw: true},
	}
	if i.index > 0 {
		vars = append(vars, plan.Variable{Name: "CI_NODE_INDEX", Value: strconv.Itoa(i.index), Raw: true})
	}
	if i.group != "" {
		vars = append(vars, plan.Variable{Name: "CI_JOB_GROUP_NAME", Value: i.group, Raw: true})
	}
	return vars
}

func (c *compiler) readParallel(name string, v *value) []instance {
	once := []instance{{name: name, total: 1}}
	if v == nil {
		return once
	}
	if v.kind == kindMap {
		parallelKeys.check(v, c.problems)
		m := v.get("matrix")
		if m == nil {
			c.add(v.place, ruleType, "write `matrix:` below it, or a number", "parallel has no matrix")
			return once
		}
		return c.instances(name, m)
	}
	n, err := strconv.Atoi(v.text)
	if v.kind != kindNumber || err != nil || n < 1 || n > maxParallel {
		c.add(v.place, ruleValue, "", "parallel is a number from 1 to %d, or a matrix", maxParallel)
		return once
	}
	out := make([]instance, n)
	for i := range out {
		out[i] = instance{name: fmt.Sprintf("%s %d/%d", name, i+1, n), group: name, index: i + 1, total: n}
	}
	return out
}

func (c *compiler) instances(name string, m *value) []instance {
	rows := c.readMatrix(m, "parallel:matrix")
	if len(rows) == 0 {
		return []instance{{name: name, total: 1}}
	}
	out := make([]instance, 0, len(rows))
	for i, vars := range rows {
		one := instance{name: matrixName(name, vars), group: name, index: i + 1, total: len(rows), variables: vars}
		if len(one.name) > maxName {
			c.add(m.place, ruleLimit, "use shorter values", "the name %q has more than %d characters", one.name, maxName)
			return out
		}
		if slices.ContainsFunc(out, func(o instance) bool { return o.name == one.name }) {
			c.add(m.place, ruleDuplicate, "names are made from the values alone; let them differ", "the matrix makes %q twice", one.name)
			return out
		}
		out = append(out, one)
	}
	return out
}

// matrixName as GitLab has it: `deploy: [aws, app1]`.
func matrixName(name string, vars []plan.Variable) string {
	values := make([]string, len(vars))
	for i, v := range vars {
		values[i] = v.Value
	}
	return name + ": [" + strings.Join(values, ", ") + "]"
}

// readMatrix multiplies the values of each entry, the first variable slowest.
func (c *compiler) readMatrix(m *value, what string) [][]plan.Variable {
	if m.kind != kindList || len(m.items) == 0 {
		c.add(m.place, ruleType, "write `- NAME: [a, b]`", "%s is a list of mappings, and this is %s", what, m.kind)
		return nil
	}
	var rows [][]plan.Variable
	for _, entry := range c.flatten(m.items, what) {
		if entry.kind != kindMap || len(entry.keys) == 0 {
			c.add(entry.place, ruleType, "write `- NAME: [a, b]`", "%s is a list of mappings, and this is %s", what, entry.kind)
			return nil
		}
		part := [][]plan.Variable{nil}
		for _, e := range entry.keys {
			values := c.matrixValues(e, what)
			if values == nil {
				return nil
			}
			if len(rows)+len(part)*len(values) > maxParallel {
				c.add(m.place, ruleLimit, "", "%s makes more than %d jobs", what, maxParallel)
				return nil
			}
			next := make([][]plan.Variable, 0, len(part)*len(values))
			for _, row := range part {
				for _, text := range values {
					next = append(next, append(slices.Clone(row), plan.Variable{Name: e.name, Value: text}))
				}
			}
			part = next
		}
		rows = append(rows, part...)
	}
	return rows
}

func (c *compiler) matrixValues(e entry, what string) []string {
	if !plan.ValidName(e.name) {
		c.add(e.at, ruleValue, "letters, digits and _, not a digit first", "%s: variable name %q", what, e.name)
		return nil
	}
	items := []*value{e.val}
	if e.val.kind == kindList {
		items = c.flatten(e.val.items, what)
	}
	var out []string
	for _, item := range items {
		if !item.scalar() || strings.IndexByte(item.text, 0) >= 0 {
			c.add(item.place, ruleType, "quote the value", "%s: a value of %s is a string, and this is %s", what, e.name, item.kind)
			return nil
		}
		out = append(out, item.text)
	}
	if len(out) == 0 {
		c.add(e.at, ruleValue, "", "%s: %s has no values", what, e.name)
	}
	return out
}
