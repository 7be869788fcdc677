package gitlab

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/pipelines/plan"
)

func (c *compiler) readScripts(j *job, v *value, get func(string) *value) {
	main := v.get("script")
	if main == nil {
		if v.get("trigger") == nil && v.get("run") == nil {
			c.add(j.at, ruleScript, "write `script:` with the commands to run", "job %q has no script", j.plan.Name)
		}
		return
	}
	before := len(c.list)
	j.plan.Script = plan.Script{
		Before: c.lines(get("before_script"), "before_script"),
		Main:   c.lines(main, "script"),
		After:  c.lines(get("after_script"), "after_script"),
	}
	if len(c.list) == before && strings.TrimSpace(strings.Join(j.plan.Script.Main, "")) == "" {
		c.add(v.at("script"), ruleScript, "write the commands to run", "the script of job %q is empty", j.plan.Name)
	}
	size := 0
	for _, part := range [][]string{j.plan.Script.Before, j.plan.Script.Main, j.plan.Script.After} {
		for _, line := range part {
			size += len(line)
		}
	}
	if size > maxScript {
		c.add(v.at("script"), ruleLimit, "move the script into a file of the repository",
			"the script of job %q has %d bytes; at most %d are allowed", j.plan.Name, size, maxScript)
	}
	if c.total += size; c.total > maxTotal {
		c.add(v.at("script"), ruleLimit, "move scripts into files of the repository",
			"the scripts of all jobs have more than %d bytes", maxTotal)
	}
}

// lines of a script: a string, or strings in lists of any shape.
func (c *compiler) lines(v *value, what string) []string {
	if v == nil {
		return nil
	}
	items := []*value{v}
	if v.kind == kindList {
		items = c.flatten(v.items, what)
	}
	size := 0
	var out []string
	for _, item := range items {
		hint := "write each command as a string"
		switch {
		case item.scalar():
			if strings.IndexByte(item.text, 0) >= 0 {
				c.add(item.place, ruleValue, "", "%s holds a NUL byte", what)
				continue
			}
			if size += len(item.text); size > maxScript {
				c.add(item.place, ruleLimit, "move the script into a file of the repository", "%s is longer than %d bytes", what, maxScript)
				return out
			}
			out = append(out, item.text)
			continue
		case item.kind == kindMap:
			hint = "a colon and a space make a mapping; put the whole command in quotes"
		case item.kind == kindReference:
			c.add(item.place, ruleUnsupported, notYet+"; a YAML anchor does the same", "!reference is not supported yet")
			continue
		}
		c.add(item.place, ruleType, hint, "%s is a list of commands, and this is %s", what, item.kind)
	}
	return out
}

// strings of a list, or of one string.
func (c *compiler) strings(v *value, what string) []string {
	items := []*value{v}
	if v.kind == kindList {
		items = v.items
	}
	out := []string{}
	for _, item := range items {
		if !item.scalar() {
			c.add(item.place, ruleType, "", "%s is a list of strings, and this holds %s", what, item.kind)
			continue
		}
		out = append(out, item.text)
	}
	return out
}

var artifactWhens = []string{"on_success", "on_failure", "always"}

func (c *compiler) readArtifacts(j *job, v *value, env *environment) {
	if v == nil || !artifactKeys.check(v, c.problems) {
		return
	}
	a := &plan.Artifacts{When: c.when(v.get("when"), artifactWhens, "in artifacts")}
	if n := v.get("name"); n != nil {
		if !n.scalar() {
			c.add(n.place, ruleType, "", "artifacts:name is a string, and this is %s", n.kind)
		}
		a.Name = env.expand(n.text)
	}
	a.Paths = c.patterns(v.get("paths"), "artifacts:paths", env)
	a.Exclude = c.patterns(v.get("exclude"), "artifacts:exclude", env)
	if e := v.get("expire_in"); e != nil {
		d, err := parseDuration(e.text)
		switch {
		case e.kind == kindString && strings.TrimSpace(e.text) == "never":
			a.Keep = true
		case !e.scalar() || err != nil:
			c.add(e.place, ruleValue, "such as 1 week, or never", "expire_in: %s", durationProblem(e, err))
		case d == 0:
			a.Keep = true
		}
		a.ExpireIn = metav1.Duration{Duration: d}
	}
	if v.get("reports") == nil && v.get("untracked") == nil && len(a.Paths) == 0 {
		c.add(v.place, ruleValue, "write `paths:` with what to keep", "artifacts without paths keep nothing")
	}
	j.plan.Artifacts = a
}

// patterns stay below the project directory.
func (c *compiler) patterns(v *value, what string, env *environment) []string {
	if v == nil {
		return nil
	}
	var out []string
	for _, s := range c.strings(v, what) {
		s = env.expand(s)
		path := strings.TrimPrefix(s, "$CI_PROJECT_DIR/")
		path = strings.TrimPrefix(path, "${CI_PROJECT_DIR}/")
		if strings.HasPrefix(path, "/") || path == ".." || strings.HasPrefix(path, "../") ||
			strings.HasSuffix(path, "/..") || strings.Contains(path, "/../") || strings.ContainsRune(path, 0) {
			c.add(v.place, ruleValue, "write a path below the project directory", "%s: %q leaves the project directory", what, s)
			continue
		}
		out = append(out, path)
	}
	return out
}
