package gitlab

import (
	"encoding/json"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/pipelines/plan"
)

// maxTriggerFiles of one child pipeline, as GitLab has it.
const maxTriggerFiles = 3

// triggerJobKeys is what a job with trigger may have; nothing runs in it.
var triggerJobKeys = []string{"allow_failure", "environment", "except", "extends", "inherit", "interruptible",
	"manual_confirmation", "needs", "only", "parallel", "resource_group", "rules", "stage", "start_in", "trigger", "variables", "when"}

// readTrigger: a job that starts another run.
func (c *compiler) readTrigger(j *job, v, t *value, env *environment) {
	for _, e := range v.keys {
		if slices.Contains(jobKeys.supported, e.name) && !slices.Contains(triggerJobKeys, e.name) && e.val.kind != kindNull {
			c.add(e.at, ruleValue, "move it to a job with a script", "job %q has a trigger, and %s does not go with it", j.plan.Name, e.name)
		}
	}
	c.readResourceGroup(j, v.get("resource_group"), env)
	j.plan.Retry, j.plan.Timeout = plan.Retry{}, metav1.Duration{} // of default: they are for jobs that run
	trigger := &plan.Trigger{ForwardVariables: true}
	j.plan.Trigger = trigger
	if t.kind != kindMap {
		trigger.Repository = c.project(j, t, env)
		return
	}
	triggerKeys.check(t, c.problems)
	if f := t.get("forward"); f != nil && forwardKeys.check(f, c.problems) {
		c.flag(f.get("yaml_variables"), "forward:yaml_variables", &trigger.ForwardVariables)
		c.flag(f.get("pipeline_variables"), "forward:pipeline_variables", &trigger.ForwardGiven)
	}
	var strategy string
	c.choice(t.get("strategy"), "trigger:strategy", []string{"depend", "mirror"}, &strategy)
	trigger.Depend, trigger.Mirror = strategy == "depend", strategy == "mirror"
	trigger.Inputs = c.readInputs(t.get("inputs"), env)
	project, include := t.get("project"), t.get("include")
	switch {
	case project != nil && include != nil:
		c.add(t.at("include"), ruleValue, "keep one of them", "trigger has both a project and an include")
	case project != nil:
		trigger.Repository = c.project(j, project, env)
		trigger.Branch = env.expand(c.text(t.get("branch"), "trigger:branch"))
	case include != nil:
		c.readTriggerFiles(j, trigger, include, env)
	default:
		c.add(t.place, ruleValue, "write `include:` or `project:`", "trigger says neither which file nor which project")
	}
}

// project of this server: its name in the namespace.
func (c *compiler) project(j *job, v *value, env *environment) string {
	path := c.known(j, &value{kind: kindString, text: c.text(v, "trigger:project"), place: v.place}, env, "trigger")
	if !j.included {
		return ""
	}
	name, ok := strings.CutPrefix(path, c.ctx.Namespace+"/")
	if !ok && strings.Contains(path, "/") || name == "" || strings.Contains(name, "/") {
		c.add(v.place, ruleValue, "name it as "+c.ctx.Namespace+"/<repository>", "trigger: project %q is not in this namespace", path)
		return ""
	}
	if name == c.ctx.ProjectName {
		c.add(v.place, ruleValue, "name its files with `include:`", "trigger: project %q is this one", path)
		return ""
	}
	return name
}

func (c *compiler) readTriggerFiles(j *job, t *plan.Trigger, v *value, env *environment) {
	items := []*value{v}
	if v.kind == kindList {
		items = c.flatten(v.items, "trigger:include")
	}
	if len(items) == 0 || len(items) > maxTriggerFiles {
		c.add(v.place, ruleLimit, "", "trigger:include has %d files; 1 to %d are allowed", len(items), maxTriggerFiles)
		return
	}
	t.Files = make([]plan.TriggerFile, 0, len(items)) // children keep pointers into it
	for _, item := range items {
		f, ok := c.triggerFile(j, item, env)
		if !ok {
			continue
		}
		t.Files = append(t.Files, f)
		if f.Job != "" {
			c.children = append(c.children, child{j, &t.Files[len(t.Files)-1], item.get("job").place})
		}
	}
}

func (c *compiler) triggerFile(j *job, v *value, env *environment) (f plan.TriggerFile, ok bool) {
	if v.kind != kindMap {
		if v.kind == kindString && (strings.HasPrefix(v.text, "https://") || strings.HasPrefix(v.text, "http://")) {
			e := &value{kind: kindMap, place: v.place}
			e.put(entry{name: "remote", at: v.place, val: v})
			f.Include, ok = c.json(e, env), true
			return f, ok
		}
		return c.localFile(v, env)
	}
	if !triggerIncludeKeys.check(v, c.problems) {
		return f, false
	}
	inputs := c.readInputs(v.get("inputs"), env)
	switch {
	case v.get("local") != nil:
		f, ok = c.localFile(v.get("local"), env)
	case v.get("artifact") != nil:
		f, ok = c.artifactFile(j, v, env)
	case v.get("project") != nil:
		if v.get("file") == nil {
			c.add(v.place, ruleValue, "write `file:`", "trigger:include:project says no file")
			return f, false
		}
		f.Include, ok = c.json(v, env), true
	case v.get("template") != nil, v.get("remote") != nil, v.get("component") != nil:
		f.Include, ok = c.json(v, env), true
	default:
		c.add(v.place, ruleValue, "write `local: FILE`", "trigger:include says no file")
	}
	f.Inputs = inputs
	return f, ok
}

func (c *compiler) localFile(v *value, env *environment) (f plan.TriggerFile, ok bool) {
	text := env.expand(c.text(v, "trigger:include"))
	path, ok := c.below(strings.TrimPrefix(text, "/"), v.place, "trigger:include")
	if ok && !strings.HasSuffix(path, ".yml") && !strings.HasSuffix(path, ".yaml") {
		c.add(v.place, ruleValue, "name a file that ends in .yml or .yaml", "trigger:include: %q is not the name of a pipeline file", text)
		return f, false
	}
	f.Path = path
	return f, ok
}

// artifactFile of a job before this one: a child pipeline that a job wrote.
func (c *compiler) artifactFile(j *job, v *value, env *environment) (f plan.TriggerFile, ok bool) {
	from := v.get("job")
	if from == nil {
		c.add(v.place, ruleValue, "write `job:` with the job that makes it", "trigger:include:artifact says no job")
		return f, false
	}
	f.Path, ok = c.below(env.expand(c.text(v.get("artifact"), "trigger:include:artifact")), v.place, "trigger:include:artifact")
	f.Job = c.text(from, "trigger:include:job")
	return f, ok && f.Job != ""
}

// child is a job of which another reads a pipeline file.
type child struct {
	of   *job
	file *plan.TriggerFile
	at   place
}

// checkChildren once all jobs are known.
func (c *compiler) checkChildren() {
	for _, ch := range c.children {
		name := ch.file.Job
		targets := c.targets(name, nil)
		if len(targets) != 1 {
			c.add(ch.at, ruleNeed, didYouMean(name, c.jobNames()), "trigger:include of job %q: %q is not one job of this file", ch.of.plan.Name, name)
			continue
		}
		needed := ch.of.byNeeds && slices.ContainsFunc(ch.of.needs, func(n need) bool { return n.Job == name })
		if !needed && (ch.of.byNeeds || targets[0].stage >= ch.of.stage) {
			c.add(ch.at, ruleNeed, "add it to needs, or put it in an earlier stage", "job %q takes a file of %q and does not wait for it", ch.of.plan.Name, name)
		}
		ch.file.Job = targets[0].plan.Name // of a matrix with one copy, that one
	}
}

func (c *compiler) readInputs(v *value, env *environment) map[string]json.RawMessage {
	if v == nil {
		return nil
	}
	if v.kind != kindMap {
		c.add(v.place, ruleType, "", "inputs is a mapping, and this is %s", v.kind)
		return nil
	}
	out := map[string]json.RawMessage{}
	for _, e := range v.keys {
		out[e.name] = c.json(e.val, env)
	}
	return out
}

// json of a value with its variables expanded, within bounds that aliases would leave.
func (c *compiler) json(v *value, env *environment) json.RawMessage {
	budget := 10_000
	tree := c.tree(v, env, &budget)
	if budget < 0 {
		c.add(v.place, ruleLimit, "", "inputs have more than 10000 values")
		return nil
	}
	data, err := json.Marshal(tree)
	if err != nil {
		c.add(v.place, ruleValue, "", "inputs: %s", err)
		return nil
	}
	return data
}

func (c *compiler) tree(v *value, env *environment, budget *int) any {
	if *budget--; *budget < 0 {
		return nil
	}
	switch v.kind {
	case kindBool:
		yes, _ := v.truth()
		return yes
	case kindNumber:
		if json.Valid([]byte(v.text)) {
			return json.Number(v.text)
		}
		return v.text
	case kindString:
		return env.expand(v.text)
	case kindList:
		out := []any{}
		for _, item := range v.items {
			out = append(out, c.tree(item, env, budget))
		}
		return out
	case kindMap:
		out := map[string]any{}
		for _, e := range v.keys {
			out[e.name] = c.tree(e.val, env, budget)
		}
		return out
	}
	return nil
}
