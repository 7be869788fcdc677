package gitlab

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/pipelines/plan"
)

// keywords is what reading jobs needs to know beyond one of them.
type keywords struct {
	autoCancel    plan.AutoCancel
	workflowRules bool
	copies        map[string][]*job // by the name in the file
	paths         paths
	children      []child
	reportsDotenv *bool
}

// job of the file, or one copy of it, and what compiling it needs beyond the plan's form.
type job struct {
	plan         plan.Job
	at           place
	stage        int // index into the stages; -1 where undefined
	included     bool
	byNeeds      bool
	needs        []need
	limited      bool // dependencies are given
	dependencies []dependency
	global       []plan.Variable // those of the pipeline that it inherits
}

// addJob as many times as parallel says.
func (c *compiler) addJob(e entry) {
	v := e.val
	if !jobKeys.check(v, c.problems) {
		return
	}
	if e.name == "pages" && v.get("pages") == nil {
		c.add(e.at, ruleUnsupported, "rename the job, or add `pages: false`, to run it as any other", "the job pages is refused: nothing is published by the server")
		return
	}
	for _, one := range c.readParallel(e.name, v.get("parallel")) {
		if len(c.jobs) == maxJobs {
			c.add(e.at, ruleLimit, "split the pipeline into child pipelines with trigger:include", "more than %d jobs", maxJobs)
			return
		}
		j := c.readJob(e, v, one)
		c.jobs = append(c.jobs, j)
		c.byName[j.plan.Name] = j
		c.copies[e.name] = append(c.copies[e.name], j)
	}
}

// readJob reads one copy of a job.
func (c *compiler) readJob(e entry, v *value, one instance) *job {
	j := &job{at: e.at, plan: plan.Job{Name: one.name, Group: one.group, Secrets: c.ctx.Secrets}}
	get := c.withDefaults(v)
	j.global, j.plan.Without = c.inherited(v)
	c.readStage(j, v)
	c.readScripts(j, v, get)
	j.plan.Variables = append(c.variables(v.get("variables"), jobVariableKeys), one.variables...)
	j.plan.Predefined = one.predefined(j.plan.Stage)
	c.readTimeout(j, get("timeout"))
	c.readRetry(j, get("retry"))
	c.flag(get("interruptible"), "interruptible", &j.plan.Interruptible)
	c.readNeeds(j, v.get("needs"), one.variables)
	c.readDependencies(j, v.get("dependencies"))
	env := c.decide(j, v)
	j.plan.ByStage = !j.byNeeds
	env = c.readEnvironment(j, v.get("environment"), env)
	if t := v.get("trigger"); t != nil {
		c.readTrigger(j, v, t, env)
		return j
	}
	c.readImage(j, get("image"), env)
	c.readServices(j, get("services"), env)
	c.readArtifacts(j, get("artifacts"), env)
	c.readCaches(j, get("cache"), env)
	c.readTags(j, get("tags"), env)
	c.readCoverage(j, v.get("coverage"))
	c.readResourceGroup(j, v.get("resource_group"), env)
	c.readIDTokens(j, get("id_tokens"), env)
	c.readSecrets(j, v.get("secrets"), env)
	c.readPages(v.get("pages"))
	c.readMaterial(j, env)
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
	if given := c.readAllowFailure(j, v.get("allow_failure")); when == plan.Manual && !given {
		j.plan.AllowFailure = true
	}
	if m := v.get("manual_confirmation"); m != nil {
		j.plan.Confirmation = c.text(m, "manual_confirmation")
	}
	startIn := v.get("start_in")
	env := c.environment(c.scope(j, v), j.plan.Predefined, c.foreseen(j, v), j.global, j.plan.Variables)
	if rules := v.get("rules"); rules != nil {
		for _, key := range []string{"only", "except", "start_in"} {
			if v.get(key) != nil {
				c.add(v.at(key), ruleValue, "move it into the rules", "%s may not be used with rules", key)
			}
		}
		r := c.first(c.readRules(rules, ruleKeys, ruleWhens), env)
		if r == nil {
			return env
		}
		if r.when != "" {
			when = r.when
		}
		startIn = r.startIn
		env = c.applyRule(j, v, r, env)
	} else if !c.allowed(j, v, env) {
		return env
	}
	if when == "" {
		when = plan.OnSuccess
	}
	c.readStartIn(j, when, startIn, v)
	j.plan.When = when
	j.included = when != plan.Never
	return env
}

// applyRule takes over what the rule that holds says of the job.
func (c *compiler) applyRule(j *job, v *value, r *rule, env *environment) *environment {
	if r.allow != nil {
		j.plan.AllowFailure, j.plan.AllowExitCodes = *r.allow, nil
	}
	if r.interruptible != nil {
		j.plan.Interruptible = *r.interruptible
	}
	if r.needs != nil {
		j.needs, j.byNeeds = r.needs.list, true
	}
	if len(r.variables) == 0 {
		return env
	}
	j.plan.Variables = append(j.plan.Variables, r.variables...)
	return c.environment(c.scope(j, v), j.plan.Predefined, j.global, j.plan.Variables)
}

const maxDelay = 7 * day

func (c *compiler) readStartIn(j *job, when plan.When, v *value, whole *value) {
	if when != plan.Delayed {
		if v != nil {
			c.add(v.place, ruleValue, "add `when: delayed`, or remove it", "start_in without when: delayed")
		}
		return
	}
	if v == nil {
		c.add(whole.at("when"), ruleValue, "add `start_in: 30 minutes`", "job %q is delayed, and start_in does not say for how long", j.plan.Name)
		return
	}
	d, ok := c.duration(v, "start_in")
	if ok && (d < time.Second || d > maxDelay) {
		c.add(v.place, ruleValue, "", "start_in %s is not between a second and a week", d)
	}
	j.plan.StartIn = metav1.Duration{Duration: d}
}

func (c *compiler) readTimeout(j *job, v *value) {
	if v == nil {
		return
	}
	d, ok := c.duration(v, "timeout")
	if ok && (d < time.Second || d > 30*day) {
		c.add(v.place, ruleValue, "", "timeout %s is not between a second and 30 days", d)
	}
	j.plan.Timeout = metav1.Duration{Duration: d}
}

func (c *compiler) duration(v *value, what string) (time.Duration, bool) {
	d, err := parseDuration(v.text)
	if !v.scalar() || err != nil {
		c.add(v.place, ruleValue, "such as 1h 30m", "%s: %s", what, durationProblem(v, err))
		return 0, false
	}
	return d, true
}

func durationProblem(v *value, err error) string {
	if !v.scalar() {
		return "a duration is expected, and this is " + v.kind.String()
	}
	return err.Error()
}

// text of a scalar, or a problem.
func (c *compiler) text(v *value, what string) string {
	if v == nil {
		return ""
	}
	if !v.scalar() {
		c.add(v.place, ruleType, "", "%s is a string, and this is %s", what, v.kind)
		return ""
	}
	if strings.IndexByte(v.text, 0) >= 0 {
		c.add(v.place, ruleValue, "", "%s holds a NUL byte", what)
		return ""
	}
	return v.text
}
