package gitlab

import (
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/pipelines/plan"
)

// job of the file, and what compiling it needs beyond the plan's form.
type job struct {
	plan             plan.Job
	at               place
	stage            int // index into the stages; -1 where undefined
	included         bool
	byNeeds          bool
	needs            []need
	limited          bool // dependencies are given
	dependencies     []string
	dependencyPlaces []place
}

// readJob with its templates and defaults.
func (c *compiler) readJob(e entry) *job {
	j := &job{at: e.at, plan: plan.Job{Name: e.name, Secrets: c.ctx.Secrets}}
	v := c.templates.resolve(e.name)
	jobKeys.check(v, c.problems)
	get := c.withDefaults(v)
	c.readStage(j, v)
	c.readScripts(j, v, get)
	j.plan.Variables = c.variables(v.get("variables"), jobVariableKeys)
	j.plan.Predefined = []plan.Variable{
		{Name: "CI_JOB_NAME", Value: e.name, Raw: true},
		{Name: "CI_JOB_NAME_SLUG", Value: slug(e.name), Raw: true},
		{Name: "CI_JOB_STAGE", Value: j.plan.Stage, Raw: true},
	}
	c.readTimeout(j, get("timeout"))
	c.readRetry(j, get("retry"))
	c.readNeeds(j, v.get("needs"))
	j.plan.ByStage = !j.byNeeds
	c.readDependencies(j, v.get("dependencies"))
	env := c.decide(j, v)
	c.readImage(j, get("image"), env)
	c.readArtifacts(j, get("artifacts"), env)
	return j
}

func (c *compiler) readStage(j *job, v *value) {
	j.plan.Stage, j.stage = "test", -1
	at := j.at
	if s := v.get("stage"); s != nil {
		at = s.place
		if !s.scalar() {
			c.add(at, ruleType, "", "stage is a name, and this is %s", s.kind)
			return
		}
		j.plan.Stage = s.text
	}
	for i, name := range c.stages {
		if name == j.plan.Stage {
			j.stage = i
			return
		}
	}
	hint := didYouMean(j.plan.Stage, c.stages)
	if v.get("stage") == nil {
		hint = "a job without `stage:` is in the stage test; give it one of: " + strings.Join(c.stages, ", ")
	}
	c.add(at, ruleStage, hint, "job %q is in the stage %q, which is not in stages", j.plan.Name, j.plan.Stage)
}

// decide by the rules whether and how the job is in the pipeline. It returns the
// variables that are known then.
func (c *compiler) decide(j *job, v *value) *environment {
	when := c.when(v.get("when"), jobWhens, "in a job")
	allowed := c.readAllowFailure(j, v.get("allow_failure"))
	env := c.environment(j.plan.Predefined, c.global, j.plan.Variables)
	if _, ok := v.index["rules"]; ok && v.get("rules") != nil {
		r := c.first(c.readRules(v.get("rules"), ruleKeys, jobWhens), env)
		if r == nil {
			return env
		}
		if r.when != "" {
			when = r.when
		}
		if r.allow != nil {
			j.plan.AllowFailure, j.plan.AllowExitCodes = *r.allow, nil
		}
		if len(r.variables) > 0 {
			j.plan.Variables = append(j.plan.Variables, r.variables...)
			env = c.environment(j.plan.Predefined, c.global, j.plan.Variables)
		}
	} else if when == plan.Manual && !allowed {
		// Outside rules a manual job is one that nothing waits for.
		j.plan.AllowFailure = true
	}
	if when == "" {
		when = plan.OnSuccess
	}
	j.plan.When = when
	j.included = when != plan.Never
	return env
}

// readAllowFailure says whether the file decides it.
func (c *compiler) readAllowFailure(j *job, v *value) bool {
	if v == nil {
		return false
	}
	if v.kind != kindMap {
		c.flag(v, "allow_failure", &j.plan.AllowFailure)
		return true
	}
	allowFailureKeys.check(v, c.problems)
	codes := v.get("exit_codes")
	if codes == nil {
		c.add(v.place, ruleType, "write `exit_codes: [1]`", "allow_failure has no exit_codes")
		return true
	}
	items := []*value{codes}
	if codes.kind == kindList {
		items = codes.items
	}
	for _, item := range items {
		n, err := strconv.ParseInt(item.text, 10, 32)
		if item.kind != kindNumber || err != nil || n < 0 || n > 255 {
			c.add(item.place, ruleValue, "", "an exit code is a number from 0 to 255")
			continue
		}
		j.plan.AllowExitCodes = append(j.plan.AllowExitCodes, int32(n))
	}
	return true
}

func (c *compiler) readImage(j *job, v *value, env *environment) {
	if v == nil {
		return
	}
	name := v
	if v.kind == kindMap {
		imageKeys.check(v, c.problems)
		if name = v.get("name"); name == nil {
			c.add(v.place, ruleType, "write `name: IMAGE`", "image has no name")
			return
		}
		if ep := v.get("entrypoint"); ep != nil {
			j.plan.Image.Entrypoint = c.strings(ep, "image:entrypoint")
		}
	}
	if name.kind != kindString {
		c.add(name.place, ruleType, "", "image is a name, and this is %s", name.kind)
		return
	}
	image := plan.Expand(name.text, func(ref string) (string, bool) {
		d := env.lookup(ref)
		switch {
		case !j.included:
		case d.secret:
			c.add(name.place, ruleValue, "use a variable", "image refers to the secret $%s, whose value is not known here", ref)
		case d.null:
			c.add(name.place, ruleValue, "give the variable a value in variables:", "image refers to $%s, which is not set", ref)
		}
		return d.text, true
	})
	if j.included && image == "" || strings.ContainsAny(image, " \t\n\x00") {
		c.add(name.place, ruleValue, "", "image %q is not the name of an image", image)
	}
	j.plan.Image.Name = image
	j.plan.Predefined = append(j.plan.Predefined, plan.Variable{Name: "CI_JOB_IMAGE", Value: image, Raw: true})
}

func (c *compiler) readTimeout(j *job, v *value) {
	if v == nil {
		return
	}
	d, err := parseDuration(v.text)
	if !v.scalar() || err != nil {
		c.add(v.place, ruleValue, "such as 1h 30m", "timeout: %s", durationProblem(v, err))
		return
	}
	if d < time.Second || d > 30*day {
		c.add(v.place, ruleValue, "", "timeout %s is not between a second and 30 days", d)
	}
	j.plan.Timeout = metav1.Duration{Duration: d}
}

func durationProblem(v *value, err error) string {
	if !v.scalar() {
		return "a duration is expected, and this is " + v.kind.String()
	}
	return err.Error()
}

func (c *compiler) readRetry(j *job, v *value) {
	if v == nil {
		return
	}
	if v.kind == kindMap {
		retryKeys.check(v, c.problems)
		if v = v.get("max"); v == nil {
			return
		}
	}
	n, err := strconv.Atoi(v.text)
	if v.kind != kindNumber || err != nil || n < 0 || n > 2 {
		c.add(v.place, ruleValue, "", "retry is 0, 1 or 2")
		return
	}
	j.plan.Retry.Max = n
}
