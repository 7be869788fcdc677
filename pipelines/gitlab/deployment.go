package gitlab

import (
	"crypto/sha256"
	"math/big"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/pipelines/plan"
)

var (
	environmentActions = []string{"start", "prepare", "stop", "verify", "access"}
	tiers              = []string{"production", "staging", "testing", "development", "other"}
	environmentName    = regexp.MustCompile(`\A[a-zA-Z0-9_/\\$} .{-]+\z`)
)

// readEnvironment that a job deploys to, and give its variables to the rest of the job.
func (c *compiler) readEnvironment(j *job, v *value, env *environment) *environment {
	if v == nil {
		return env
	}
	e := &plan.Environment{Action: "start"}
	name := v
	if v.kind == kindMap {
		environmentKeys.check(v, c.problems)
		if name = v.get("name"); name == nil {
			c.add(v.place, ruleType, "write `name: production`", "environment has no name")
			return env
		}
		e.URL = c.text(v.get("url"), "environment:url")
		c.choice(v.get("action"), "environment:action", environmentActions, &e.Action)
		e.OnStop = c.text(v.get("on_stop"), "environment:on_stop")
		c.readAutoStop(j, e, v.get("auto_stop_in"), env)
		c.readTier(j, e, v.get("deployment_tier"), env)
	}
	if !name.scalar() {
		c.add(name.place, ruleType, "", "environment is a name, and this is %s", name.kind)
		return env
	}
	e.Name = c.known(j, &value{kind: kindString, text: name.text, place: name.place}, env, "environment")
	if !j.included {
		return env
	}
	if !environmentName.MatchString(e.Name) || len(e.Name) > 255 || strings.HasPrefix(e.Name, "/") || strings.HasSuffix(e.Name, "/") {
		c.add(name.place, ruleValue, "letters, digits, spaces, - _ / . and no slash at an end; at most 255",
			"environment %q is not the name of an environment", e.Name)
		return env
	}
	if e.Tier == "" {
		e.Tier = tierOf(e.Name)
	}
	j.plan.Environment = e
	j.plan.Predefined = append(j.plan.Predefined, environmentVariables(e)...)
	return c.environment(e.Name, j.plan.Predefined, j.global, j.plan.Variables)
}

// foreseen are the variables of the environment as far as they are known before the
// rules of the job are read, which may ask for them.
func (c *compiler) foreseen(j *job, v *value) []plan.Variable {
	name := c.scope(j, v)
	if name == "" {
		return nil
	}
	e := plan.Environment{Name: name, Action: "start", Tier: tierOf(name)}
	if m := v.get("environment"); m.kind == kindMap {
		e.URL = textOf(m.get("url"))
		if a := m.get("action"); a != nil {
			e.Action = a.text
		}
		if t := textOf(m.get("deployment_tier")); t != "" && !strings.Contains(t, "$") {
			e.Tier = t
		}
	}
	return environmentVariables(&e)
}

func textOf(v *value) string {
	if v == nil || !v.scalar() {
		return ""
	}
	return v.text
}

// environmentVariables are those that a job with it has.
func environmentVariables(e *plan.Environment) (vars []plan.Variable) {
	set := func(name, value string, raw bool) {
		if value != "" {
			vars = append(vars, plan.Variable{Name: name, Value: value, Raw: raw})
		}
	}
	set("CI_ENVIRONMENT_NAME", e.Name, true)
	set("CI_ENVIRONMENT_SLUG", environmentSlug(e.Name), true)
	set("CI_ENVIRONMENT_ACTION", e.Action, true)
	set("CI_ENVIRONMENT_TIER", e.Tier, true)
	set("CI_ENVIRONMENT_URL", e.URL, false)
	return vars
}

// scope is the environment of a job as far as it is known before its rules are read: the
// variables that are for it alone decide in them too. What is wrong with it is said later.
func (c *compiler) scope(j *job, v *value) string {
	e := v.get("environment")
	if e != nil && e.kind == kindMap {
		e = e.get("name")
	}
	if e == nil || !e.scalar() {
		return ""
	}
	env := c.environment("", j.plan.Predefined, j.global, j.plan.Variables)
	whole := true
	name := plan.Expand(e.text, func(ref string) (string, bool) {
		d := env.value(ref)
		whole = whole && !d.hidden && !d.null
		return d.text, true
	})
	if !whole {
		return ""
	}
	return name
}

func (c *compiler) readAutoStop(j *job, e *plan.Environment, v *value, env *environment) {
	if v == nil {
		return
	}
	text := c.known(j, &value{kind: kindString, text: c.text(v, "environment:auto_stop_in"), place: v.place}, env, "auto_stop_in")
	if !j.included && strings.Contains(v.text, "$") {
		return
	}
	if d, forever := c.expiry(&value{kind: kindString, text: text, place: v.place}, "auto_stop_in"); !forever {
		e.AutoStop = metav1.Duration{Duration: d.Duration}
	}
	if e.Action == "stop" {
		c.add(v.place, ruleValue, "move it to the job that starts the environment", "auto_stop_in in a job that stops the environment")
	}
}

func (c *compiler) readTier(j *job, e *plan.Environment, v *value, env *environment) {
	if v == nil {
		return
	}
	text := c.known(j, &value{kind: kindString, text: c.text(v, "environment:deployment_tier"), place: v.place}, env, "deployment_tier")
	if j.included || !strings.Contains(v.text, "$") {
		c.choice(&value{kind: kindString, text: text, place: v.place}, "environment:deployment_tier", tiers, &e.Tier)
	}
}

// checkStops: on_stop names a job that is there and stops the same environment.
func (c *compiler) checkStops() {
	for _, j := range c.jobs {
		e := j.plan.Environment
		if e == nil || e.OnStop == "" {
			continue
		}
		targets := c.targets(e.OnStop, nil)
		if len(targets) == 0 {
			c.add(j.at, ruleNeed, didYouMean(e.OnStop, c.jobNames()), "job %q: on_stop names %q; there is no such job", j.plan.Name, e.OnStop)
			continue
		}
		for _, stop := range targets {
			s := stop.plan.Environment
			switch {
			case !stop.included:
			case s == nil || s.Action != "stop":
				c.add(stop.at, ruleValue, "add `environment:` with `action: stop`", "job %q is the on_stop of %q, and does not stop an environment", stop.plan.Name, j.plan.Name)
			case s.Name != e.Name:
				c.add(stop.at, ruleValue, "give both the same name", "job %q is the on_stop of %q, and its environment is %q and not %q", stop.plan.Name, j.plan.Name, s.Name, e.Name)
			}
		}
	}
}

// tierPatterns as GitLab guesses from a name; the first that fits counts.
var tierPatterns = []struct {
	tier    string
	pattern *regexp.Regexp
}{
	{"development", regexp.MustCompile(`(?i)dev|review|trunk`)},
	{"testing", regexp.MustCompile(`(?i)test|tst|int|ac(ce|)pt|qa|qc|control|quality`)},
	{"staging", regexp.MustCompile(`(?i)st(a|)g|mod(e|)l|pre|demo|non`)},
	{"production", regexp.MustCompile(`(?i)pr(o|)d|live`)},
}

func tierOf(name string) string {
	for _, t := range tierPatterns {
		if t.pattern.MatchString(name) {
			return t.tier
		}
	}
	return "other"
}

// environmentSlug as GitLab makes CI_ENVIRONMENT_SLUG: at most 24 characters, and
// with a suffix of the name's hash where the slug is not the name itself.
func environmentSlug(name string) string {
	b := []byte(strings.ToLower(name))
	out := make([]byte, 0, len(b)+4)
	if len(b) == 0 || b[0] < 'a' || b[0] > 'z' {
		out = append(out, "env-"...)
	}
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			c = '-'
		}
		if c != '-' || len(out) == 0 || out[len(out)-1] != '-' {
			out = append(out, c)
		}
	}
	s := string(out)
	if len(s) <= 24 && s == name {
		return strings.TrimSuffix(s, "-")
	}
	s = s[:min(17, len(s))]
	if !strings.HasSuffix(s, "-") {
		s += "-"
	}
	sum := sha256.Sum256([]byte(name))
	suffix := new(big.Int).SetBytes(sum[:]).Text(36)
	return s + suffix[len(suffix)-6:]
}
