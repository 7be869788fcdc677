package gitlab

import (
	"slices"

	"slipway.dev/pipelines/plan"
)

// rule is one entry of rules that was read.
type rule struct {
	at        place
	cond      *node // nil: always
	condPlace place
	when      plan.When
	allow     *bool
	variables []plan.Variable
}

var (
	jobWhens      = []string{"on_success", "on_failure", "always", "manual", "never"}
	workflowWhens = []string{"always", "never"}
)

// readRules reads every entry, so that a fault in one that does not matter for this
// commit is found too.
func (c *compiler) readRules(v *value, keys keyset, whens []string) []rule {
	if v == nil {
		return nil
	}
	if v.kind != kindList {
		c.add(v.place, ruleType, "begin each rule with `- if:`", "rules is a list, and this is %s", v.kind)
		return nil
	}
	var out []rule
	for _, item := range c.flatten(v.items, "rules") {
		if !keys.check(item, c.problems) {
			continue
		}
		r := rule{at: item.place, when: c.when(item.get("when"), whens, keys.where)}
		if cond := item.get("if"); cond != nil {
			r.condPlace = cond.place
			if !cond.scalar() {
				c.add(cond.place, ruleType, "", "if is an expression, and this is %s", cond.kind)
				continue
			}
			var err error
			if r.cond, err = parseExpr(cond.text); err != nil {
				c.add(cond.place, ruleExpression, `such as $CI_COMMIT_BRANCH == "main"`, "if: %s", err)
				continue
			}
		}
		if a := item.get("allow_failure"); a != nil {
			allow := false
			c.flag(a, "allow_failure "+keys.where, &allow)
			r.allow = &allow
		}
		r.variables = c.variables(item.get("variables"), jobVariableKeys)
		out = append(out, r)
	}
	return out
}

// first rule that holds, or nil.
func (c *compiler) first(rules []rule, env *environment) *rule {
	for i := range rules {
		r := &rules[i]
		if r.cond == nil {
			return r
		}
		d, err := r.cond.eval(env.lookup)
		if err != nil {
			c.add(r.condPlace, ruleExpression, "", "if: %s", err)
			return nil
		}
		if d.true() {
			return r
		}
	}
	return nil
}

// workflow says whether there is a pipeline at all, and what it is called.
func (c *compiler) workflow(v *value) (runs bool, name string, variables []plan.Variable) {
	if v == nil || !workflowKeys.check(v, c.problems) {
		return true, "", nil
	}
	if n := v.get("name"); n != nil {
		if !n.scalar() {
			c.add(n.place, ruleType, "", "workflow:name is a string, and this is %s", n.kind)
		}
		name = n.text
	}
	r := v.get("rules")
	if r == nil {
		return true, name, nil
	}
	match := c.first(c.readRules(r, workflowRuleKeys, workflowWhens), c.environment(c.global))
	if match == nil || match.when == plan.Never {
		return false, name, nil
	}
	return true, name, match.variables
}

func (c *compiler) when(v *value, known []string, where string) plan.When {
	if v == nil {
		return ""
	}
	if v.kind == kindString && v.text == "delayed" && slices.Contains(known, "manual") {
		c.add(v.place, ruleUnsupported, notYet, "when: delayed is not supported yet")
		return ""
	}
	if v.kind != kindString || !slices.Contains(known, v.text) {
		c.add(v.place, ruleValue, didYouMean(v.text, known), "when: %q is not known %s", v.text, where)
		return ""
	}
	return plan.When(v.text)
}

// flatten nested lists, as anchors make them; within bounds, which aliases to
// aliases would leave at once.
func (c *compiler) flatten(items []*value, what string) []*value {
	var out []*value
	seen := 0
	var walk func(items []*value, depth int) bool
	walk = func(items []*value, depth int) bool {
		for _, item := range items {
			// Lists count too: empty ones in aliases to aliases are a bomb as well.
			if seen++; seen > 2*maxLines {
				c.add(item.place, ruleLimit, "", "%s has more than %d entries", what, maxLines)
				return false
			}
			if item.kind == kindList {
				if depth == 10 {
					c.add(item.place, ruleLimit, "", "%s is nested more than 10 deep", what)
					return false
				}
				if !walk(item.items, depth+1) {
					return false
				}
				continue
			}
			if len(out) == maxLines {
				c.add(item.place, ruleLimit, "", "%s has more than %d entries", what, maxLines)
				return false
			}
			out = append(out, item)
		}
		return true
	}
	if !walk(items, 0) {
		return nil
	}
	return out
}
