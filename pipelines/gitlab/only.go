package gitlab

import (
	"slices"
	"strings"
)

// policy is what only or except says.
type policy struct {
	refs      []string
	variables []expression
	changes   *changes
	// kubernetes: the cluster is always there.
	kubernetes bool
}

type expression struct {
	at   place
	cond *node
}

// allowed decides a job without rules: all that only says must hold, and nothing
// that except says.
func (c *compiler) allowed(j *job, v *value, env *environment) bool {
	only, except := c.readPolicy(v.get("only"), "only"), c.readPolicy(v.get("except"), "except")
	// Without rules anywhere, a job is for branches and tags.
	if only == nil && !c.workflowRules {
		only = &policy{}
	}
	if only != nil && only.refs == nil {
		only.refs = []string{"branches", "tags"}
	}
	if only != nil {
		for _, yes := range c.judge(only, env) {
			if !yes {
				return false
			}
		}
	}
	return except == nil || !slices.Contains(c.judge(except, env), true)
}

func (c *compiler) readPolicy(v *value, what string) *policy {
	if v == nil {
		return nil
	}
	p := &policy{}
	if v.kind != kindMap {
		p.refs = c.readRefs(v, what)
		return p
	}
	policyKeys.check(v, c.problems)
	if r := v.get("refs"); r != nil {
		p.refs = c.readRefs(r, what+":refs")
	}
	if e := v.get("variables"); e != nil {
		items := []*value{e}
		if e.kind == kindList {
			items = c.flatten(e.items, what+":variables")
		}
		for _, item := range items {
			if cond := c.expression(item, what+":variables"); cond != nil {
				p.variables = append(p.variables, expression{item.place, cond})
			}
		}
	}
	if k := v.get("kubernetes"); k != nil {
		var active string
		c.choice(k, what+":kubernetes", []string{"active"}, &active)
		p.kubernetes = active != ""
	}
	if ch := v.get("changes"); ch != nil {
		p.changes = c.readChanges(ch, what+":changes")
	}
	return p
}

func (c *compiler) readRefs(v *value, what string) []string {
	refs := []string{}
	items := []*value{v}
	if v.kind == kindList {
		items = c.flatten(v.items, what)
	}
	for _, item := range items {
		ref := c.text(item, what)
		pattern, _, _ := strings.Cut(ref, "@")
		if strings.HasPrefix(pattern, "/") {
			if _, err := compilePattern(pattern); err != nil {
				c.add(item.place, ruleExpression, "such as /^release-.*$/", "%s: %s", what, err)
				continue
			}
		}
		refs = append(refs, ref)
	}
	return refs
}

// judge every part that is given.
func (c *compiler) judge(p *policy, env *environment) []bool {
	var out []bool
	if p.refs != nil {
		out = append(out, slices.ContainsFunc(p.refs, c.matchesRef))
	}
	if p.variables != nil {
		out = append(out, slices.ContainsFunc(p.variables, func(e expression) bool {
			d, err := e.cond.eval(env.lookup)
			if err != nil {
				c.add(e.at, ruleExpression, "", "variables: %s", err)
			}
			return err == nil && d.true()
		}))
	}
	if p.kubernetes {
		out = append(out, true)
	}
	if p.changes != nil {
		out = append(out, c.changed(p.changes, env))
	}
	return out
}

// matchesRef reads one entry of refs: a keyword, the name of a branch or tag, or a
// pattern of such names; and behind an @ the one repository that it is for.
func (c *compiler) matchesRef(ref string) bool {
	pattern, path, limited := strings.Cut(ref, "@")
	if limited && path != c.ctx.Namespace+"/"+c.ctx.ProjectName {
		return false
	}
	merge := c.ctx.merge()
	source := strings.TrimSuffix(c.ctx.source(), "_event")
	switch {
	case pattern == "tags" && c.ctx.Tag != "", pattern == "branches" && c.ctx.Tag == "" && !merge:
		return true
	case pattern == source, pattern == source+"s", pattern == source+"es", pattern == "merge_requests" && merge:
		return true
	case merge:
		return false
	}
	name := c.ctx.Branch
	if c.ctx.Tag != "" {
		name = c.ctx.Tag
	}
	if strings.HasPrefix(pattern, "/") {
		re, err := compilePattern(pattern)
		return err == nil && re.MatchString(name)
	}
	return pattern == name
}
