package gitlab

import (
	"slices"
	"strings"

	"slipway.dev/pipelines/plan"
)

// workflow says whether there is a pipeline at all, and what it is called.
func (c *compiler) workflow(v *value) (runs bool, name string, variables []plan.Variable) {
	if v == nil || !workflowKeys.check(v, c.problems) {
		return true, "", nil
	}
	name = c.text(v.get("name"), "workflow:name")
	c.readAutoCancel(v.get("auto_cancel"))
	r := v.get("rules")
	if r == nil {
		return true, name, nil
	}
	c.workflowRules = true
	rules := c.readRules(r, workflowRuleKeys, workflowWhens)
	for _, one := range rules {
		// Read each, so that a fault is found, and then only that of the rule that holds.
		before := c.autoCancel
		c.readAutoCancel(one.autoCancel)
		c.autoCancel = before
	}
	match := c.first(rules, c.environment("", c.global))
	if match == nil || match.when == plan.Never {
		return false, name, nil
	}
	c.readAutoCancel(match.autoCancel)
	return true, name, match.variables
}

var (
	onNewCommit  = []string{"conservative", "interruptible", "none"}
	onJobFailure = []string{"all", "none"}
)

func (c *compiler) readAutoCancel(v *value) {
	if v == nil || !autoCancelKeys.check(v, c.problems) {
		return
	}
	c.choice(v.get("on_new_commit"), "auto_cancel:on_new_commit", onNewCommit, &c.autoCancel.OnNewCommit)
	c.choice(v.get("on_job_failure"), "auto_cancel:on_job_failure", onJobFailure, &c.autoCancel.OnJobFailure)
}

// choice of one of the known words.
func (c *compiler) choice(v *value, what string, known []string, into *string) {
	if v == nil {
		return
	}
	if !v.scalar() || !slices.Contains(known, v.text) {
		c.add(v.place, ruleValue, didYouMean(v.text, known), "%s: %q is not known", what, v.text)
		return
	}
	*into = v.text
}

// pipelineName is workflow:name with its variables, which jobs see in turn.
func (c *compiler) pipelineName(name string) string {
	name = strings.TrimSpace(plan.Expand(name, c.environment("", c.global).text))
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	if name != "" {
		c.predefined = append(slices.Clone(c.predefined), plan.Variable{Name: "CI_PIPELINE_NAME", Value: name, Raw: true})
	}
	return name
}
