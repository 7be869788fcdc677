package gitlab

import (
	"slices"

	"slipway.dev/pipelines/plan"
)

// rule is one entry of rules that was read. All of its conditions must hold.
type rule struct {
	at            place
	cond          *node
	condPlace     place
	changes       *changes
	exists        *exists
	when          plan.When
	startIn       *value
	allow         *bool
	interruptible *bool
	variables     []plan.Variable
	needs         *needs
	autoCancel    *value
}

var (
	jobWhens      = []string{"on_success", "on_failure", "always", "manual", "delayed"}
	ruleWhens     = []string{"on_success", "on_failure", "always", "manual", "delayed", "never"}
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
		if !c.readConditions(&r, item) {
			continue
		}
		r.startIn = item.get("start_in")
		r.autoCancel = item.get("auto_cancel")
		r.allow = c.optionalFlag(item.get("allow_failure"), "allow_failure "+keys.where)
		r.interruptible = c.optionalFlag(item.get("interruptible"), "interruptible "+keys.where)
		r.variables = c.variables(item.get("variables"), jobVariableKeys)
		if n := item.get("needs"); n != nil {
			r.needs = c.needsOf(n)
		}
		out = append(out, r)
	}
	return out
}

func (c *compiler) readConditions(r *rule, item *value) bool {
	if cond := item.get("if"); cond != nil {
		r.condPlace = cond.place
		if r.cond = c.expression(cond, "if"); r.cond == nil {
			return false
		}
	}
	if v := item.get("changes"); v != nil {
		if r.changes = c.readChanges(v, "rules:changes"); r.changes == nil {
			return false
		}
	}
	if v := item.get("exists"); v != nil {
		if r.exists = c.readExists(v); r.exists == nil {
			return false
		}
	}
	return true
}

func (c *compiler) expression(v *value, what string) *node {
	if !v.scalar() {
		c.add(v.place, ruleType, "", "%s is an expression, and this is %s", what, v.kind)
		return nil
	}
	cond, err := parseExpr(v.text)
	if err != nil {
		c.add(v.place, ruleExpression, `such as $CI_COMMIT_BRANCH == "main"`, "%s: %s", what, err)
		return nil
	}
	return cond
}

func (c *compiler) optionalFlag(v *value, what string) *bool {
	if v == nil {
		return nil
	}
	yes := false
	c.flag(v, what, &yes)
	return &yes
}

// first rule that holds, or nil.
func (c *compiler) first(rules []rule, env *environment) *rule {
	for i := range rules {
		if c.holds(&rules[i], env) {
			return &rules[i]
		}
	}
	return nil
}

func (c *compiler) holds(r *rule, env *environment) bool {
	if r.cond != nil {
		d, err := r.cond.eval(env.lookup)
		if err != nil {
			c.add(r.condPlace, ruleExpression, "", "if: %s", err)
			return false
		}
		if !d.true() {
			return false
		}
	}
	if r.changes != nil && !c.changed(r.changes, env) {
		return false
	}
	return r.exists == nil || c.exist(r.exists, env)
}

func (c *compiler) when(v *value, known []string, where string) plan.When {
	if v == nil {
		return ""
	}
	if v.kind != kindString || !slices.Contains(known, v.text) {
		hint := didYouMean(v.text, known)
		if v.text == string(plan.Never) && slices.Contains(known, string(plan.Manual)) {
			hint = "write it in rules, as `rules: [{when: never}]`; a job whose name begins with a dot never runs"
		}
		c.add(v.place, ruleValue, hint, "when: %q is not known %s", v.text, where)
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
