package gitlab

import (
	"fmt"
	"slices"
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// Limits of a pipeline.
const (
	maxJobs   = 1000
	maxScript = 512 << 10 // bytes of one job
	maxLines  = 10_000    // script lines of one job
	maxTotal  = 8 << 20   // script bytes of all jobs
	maxName   = 255
)

// File is the well-known name.
const File = ".gitlab-ci.yml"

// Compile a pipeline file for one commit. It returns a plan, or else all problems of
// the file. A file that is right and yet has nothing to do for this commit gives a
// plan without jobs that says why in Empty.
func Compile(file string, content []byte, in Context) (*plan.Plan, []v1alpha1.Problem) {
	c := newCompiler(file, in)
	return c.result(c.compile(c.loadFile(content)))
}

func newCompiler(file string, in Context) *compiler {
	p := &problems{file: file}
	return &compiler{problems: p, merger: &merger{problems: p, budget: maxMerges}, ctx: in, predefined: in.predefined(file)}
}

// stopped says whether parts of the file are not there, so that looking at the rest
// would find problems that are none.
func (c *compiler) stopped() bool {
	return slices.ContainsFunc(c.list, func(p v1alpha1.Problem) bool {
		return slices.Contains([]string{ruleInclude, ruleInputs, ruleReference, ruleLimit}, p.Rule)
	})
}

func (c *compiler) result(p *plan.Plan) (*plan.Plan, []v1alpha1.Problem) {
	if len(c.list) > 0 {
		return nil, c.sorted()
	}
	return p, nil
}

type compiler struct {
	*problems
	merger     *merger
	ctx        Context
	predefined []plan.Variable
	root       *value
	stages     []string
	global     []plan.Variable
	defaults   *value
	jobs       []*job
	byName     map[string]*job
	total      int
	scopes     map[string][]Known // repository variables by environment
	asked      []plan.Asked       // of the pipeline's variables
	standIns   bool               // inputs are given by nobody
	keywords
}

// compile what was loaded; nil where that had problems.
func (c *compiler) compile(root *value) *plan.Plan {
	if root == nil {
		return nil
	}
	t := &templates{merger: c.merger, root: root, done: map[string]*value{}, height: map[string]int{}}
	if c.root = c.references(t.all()); c.stopped() {
		return nil
	}
	c.readGlobals()
	runs, name, extra := c.workflow(c.root.get("workflow"))
	c.global = append(c.global, extra...)
	name = c.pipelineName(name)
	c.readJobs()
	c.checkDependencies()
	p := &plan.Plan{
		Version: plan.Version, Source: c.file, Commit: c.ctx.Commit, Ref: c.ctx.Ref,
		Stages: c.stages, Predefined: c.predefined, Variables: c.global, Given: c.ctx.Variables,
		Asked: c.asked, Name: name, AutoCancel: c.autoCancel,
	}
	c.edges(p)
	plan.AssignIDs(p.Jobs)
	switch {
	case !runs:
		p.Empty = "workflow:rules leave out this push"
	case c.ctx.skipped():
		p.Empty = "the commit message says [skip ci]"
	case len(p.Jobs) == 0:
		p.Empty = "the rules of all jobs leave out this push"
	case !slices.ContainsFunc(p.Jobs, func(j plan.Job) bool { return j.Stage != ".pre" && j.Stage != ".post" }):
		p.Empty = "all jobs are in the stages .pre and .post, which do not run alone"
	}
	if p.Empty != "" {
		p.Jobs = []plan.Job{}
	}
	return p
}

func (c *compiler) readGlobals() {
	for _, e := range c.root.keys {
		if hint, ok := globalKeys.unsupported[e.name]; ok {
			c.add(e.at, ruleUnsupported, hint, "%s is not supported", e.name)
		}
	}
	c.readStages(c.root.get("stages"))
	c.global = c.variables(c.root.get("variables"), globalVariableKeys)
	c.checkGiven()
	c.defaults = &value{kind: kindMap}
	if d := c.root.get("default"); d != nil && defaultKeys.check(d, c.problems) {
		for _, e := range d.keys {
			c.defaults.put(e)
		}
	}
	for _, key := range []string{"image", "services", "cache", "before_script", "after_script"} {
		v := c.root.get(key)
		if v == nil {
			continue
		}
		if c.defaults.get(key) != nil {
			c.add(c.root.at(key), ruleDuplicate, "keep the one in default", "%s is given here and in default", key)
		}
		c.defaults.put(entry{name: key, at: c.root.at(key), val: v})
	}
}

func (c *compiler) readStages(v *value) {
	names := []string{"build", "test", "deploy"}
	if v != nil {
		names = nil
		if v.kind != kindList {
			c.add(v.place, ruleType, "", "stages is a list of names, and this is %s", v.kind)
			names = []string{"build", "test", "deploy"}
		}
		for _, item := range c.flatten(v.items, "stages") {
			switch {
			case !item.scalar() || item.text == "":
				c.add(item.place, ruleType, "", "a stage is a name, and this is %s", item.kind)
			case item.text == ".pre" || item.text == ".post":
			case slices.Contains(names, item.text):
				c.add(item.place, ruleDuplicate, "", "stage %q is there twice", item.text)
			default:
				names = append(names, item.text)
			}
		}
	}
	c.stages = append(append([]string{".pre"}, names...), ".post")
}

func (c *compiler) readJobs() {
	c.byName, c.copies = map[string]*job{}, map[string][]*job{}
	visible := 0
	for _, e := range c.root.keys {
		if isGlobal(e.name) {
			continue
		}
		if strings.HasPrefix(e.name, ".") {
			continue
		}
		visible++
		if e.name == "" || len(e.name) > maxName || strings.ContainsFunc(e.name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			c.add(e.at, ruleValue, "", "a job's name has 1 to %d characters, none of them a control character", maxName)
			continue
		}
		if e.val.kind != kindMap {
			c.notAJob(e)
			continue
		}
		c.addJob(e)
	}
	if visible == 0 {
		c.add(start, ruleEmpty, "write at least one job with a script", "the file has no job; names that begin with a dot are templates")
	}
}

func (c *compiler) notAJob(e entry) {
	if n := nearest(e.name, globalKeys.supported); n != "" {
		c.add(e.at, ruleUnknown, fmt.Sprintf("did you mean %q?", n), "unknown key %q at the top of the file", e.name)
		return
	}
	c.add(e.at, ruleType, "write `script:` below it", "job %q is a mapping, and this is %s", e.name, e.val.kind)
}
