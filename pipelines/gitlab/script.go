package gitlab

import (
	"strings"

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
		Pre:    c.hook(get("hooks")),
		Before: c.lines(get("before_script"), "before_script"),
		Main:   c.lines(main, "script"),
		After:  c.lines(get("after_script"), "after_script"),
	}
	if len(c.list) == before && strings.TrimSpace(strings.Join(j.plan.Script.Main, "")) == "" {
		c.add(v.at("script"), ruleScript, "write the commands to run", "the script of job %q is empty", j.plan.Name)
	}
	size := 0
	for _, part := range [][]string{j.plan.Script.Pre, j.plan.Script.Before, j.plan.Script.Main, j.plan.Script.After} {
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

// hook that runs before the source is there.
func (c *compiler) hook(v *value) []string {
	if v == nil || !hookKeys.check(v, c.problems) {
		return nil
	}
	return c.lines(v.get("pre_get_sources_script"), "pre_get_sources_script")
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
