package gitlab

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// Limits of rules:changes and rules:exists.
const (
	maxPatterns    = 50         // of one list
	maxChecks      = 50_000     // paths against patterns in one rule; beyond it holds
	maxComparisons = 20_000_000 // in all rules together
	maxGlob        = 4096       // bytes
)

// paths remembers what has been looked up for one compilation.
type paths struct {
	// home is the key of the commit that the compiler's files are of, while the include
	// section of another commit is read; empty: the one that is compiled.
	home     string
	compared int
	lists    map[string]*list
	globs    map[string]*regexp.Regexp
}

// list of the paths of a tree, or of a difference.
type list struct {
	all []string
	has map[string]bool
	hit map[string]bool // by pattern
	err error
}

func (c *compiler) listing(key string, read func() ([]string, error)) *list {
	if l, ok := c.paths.lists[key]; ok {
		return l
	}
	l := &list{has: map[string]bool{}, hit: map[string]bool{}}
	l.all, l.err = read()
	for _, path := range l.all {
		l.has[path] = true
	}
	if c.paths.lists == nil {
		c.paths.lists = map[string]*list{}
	}
	c.paths.lists[key] = l
	return l
}

// matches says whether one of the paths fits one of the patterns.
func (c *compiler) matches(l *list, patterns []string, at place) bool {
	var globs []string
	for _, p := range patterns {
		switch {
		case l.has[p]:
			return true
		case strings.ContainsAny(p, `*?[{\`):
			globs = append(globs, p)
		case strings.HasSuffix(p, "/"):
			globs = append(globs, p+"**/*")
		}
	}
	if len(globs)*len(l.all) > maxChecks {
		return true
	}
	for _, g := range globs {
		hit, known := l.hit[g]
		if !known {
			re := c.glob(g, at)
			if c.paths.compared += len(l.all); c.paths.compared > maxComparisons {
				c.add(at, ruleLimit, "use fewer patterns", "the rules of all jobs compare more than %d paths", maxComparisons)
				return false
			}
			hit = re != nil && slices.ContainsFunc(l.all, re.MatchString)
			l.hit[g] = hit
		}
		if hit {
			return true
		}
	}
	return false
}

func (c *compiler) glob(pattern string, at place) *regexp.Regexp {
	if re, ok := c.paths.globs[pattern]; ok {
		return re
	}
	re, err := compileGlob(pattern)
	if err != nil {
		c.add(at, ruleValue, "", "%s", err)
	}
	if c.paths.globs == nil {
		c.paths.globs = map[string]*regexp.Regexp{}
	}
	c.paths.globs[pattern] = re
	return re
}

// changes is rules:changes, only:changes or except:changes.
type changes struct {
	at        place
	patterns  []string
	compareTo string
	toPlace   place
}

func (c *compiler) readChanges(v *value, what string) *changes {
	ch := &changes{at: v.place}
	if v.kind == kindMap {
		changesKeys.check(v, c.problems)
		if to := v.get("compare_to"); to != nil {
			ch.compareTo, ch.toPlace = c.text(to, what+":compare_to"), to.place
		}
		if v = v.get("paths"); v == nil {
			c.add(ch.at, ruleValue, "write `paths:` with a list below it", "%s has no paths", what)
			return nil
		}
	}
	ch.patterns = c.readPatterns(v, what)
	return ch
}

func (c *compiler) readPatterns(v *value, what string) []string {
	if v.kind != kindList {
		c.add(v.place, ruleType, "write a list of paths", "%s is a list of paths, and this is %s", what, v.kind)
		return nil
	}
	items := c.flatten(v.items, what)
	if len(items) > maxPatterns {
		c.add(v.place, ruleLimit, "", "%s has %d paths; at most %d are allowed", what, len(items), maxPatterns)
		return nil
	}
	out := []string{}
	for _, item := range items {
		out = append(out, c.text(item, what))
	}
	return out
}

// changed says whether a path of the rule differs. Where there is nothing to compare
// with (a new branch, a tag, no push), everything counts as changed, as in GitLab.
func (c *compiler) changed(ch *changes, env *environment) bool {
	from := env.expand(ch.compareTo)
	switch {
	case from != "":
	case c.ctx.merge():
		from = "refs/heads/" + c.ctx.target()
	case c.ctx.Branch != "" && c.ctx.before() != noCommit:
		from = c.ctx.before()
	}
	if from == "" || c.ctx.Files == nil {
		return true
	}
	l := c.listing("changed "+c.paths.home+"\x00"+from, func() ([]string, error) { return c.ctx.Files.Changed(from) })
	if l.err != nil {
		at := ch.at
		if ch.compareTo != "" {
			at = ch.toPlace
		}
		if errors.Is(l.err, fs.ErrNotExist) && ch.compareTo == "" {
			return true
		}
		c.add(at, ruleValue, "name a branch, a tag or a commit", "changes since %s: %s", from, l.err)
		return false
	}
	return c.matches(l, expandAll(ch.patterns, env), ch.at)
}

func expandAll(patterns []string, env *environment) []string {
	out := make([]string, len(patterns))
	for i, p := range patterns {
		out[i] = env.expand(p)
	}
	return out
}

// exists is rules:exists.
type exists struct {
	at           place
	patterns     []string
	project, ref string
}

func (c *compiler) readExists(v *value) *exists {
	e := &exists{at: v.place}
	if v.kind == kindMap {
		existsKeys.check(v, c.problems)
		e.project = c.text(v.get("project"), "exists:project")
		e.ref = c.text(v.get("ref"), "exists:ref")
		if e.ref != "" && e.project == "" {
			c.add(v.at("ref"), ruleValue, "add `project:`", "exists:ref without a project")
		}
		if v = v.get("paths"); v == nil {
			c.add(e.at, ruleValue, "write `paths:` with a list below it", "rules:exists has no paths")
			return nil
		}
	}
	e.patterns = c.readPatterns(v, "rules:exists")
	return e
}

func (c *compiler) exist(e *exists, env *environment) bool {
	files := c.ctx.Files
	key := "files " + c.paths.home
	if e.project != "" {
		project, ref := env.expand(e.project), env.expand(e.ref)
		name, ok := strings.CutPrefix(project, c.ctx.Namespace+"/")
		if !ok || c.ctx.Includes == nil {
			c.add(e.at, ruleValue, "name it as "+c.ctx.Namespace+"/<repository>", "exists: project %q is not in this namespace", project)
			return false
		}
		var err error
		if files, _, err = c.ctx.Includes.Project(name, ref); err != nil {
			c.add(e.at, ruleValue, "", "exists: project %q at %q: %s", project, ref, err)
			return false
		}
		key = "project " + project + "\x00" + ref
	}
	if files == nil {
		return false
	}
	l := c.listing(key, files.List)
	if l.err != nil {
		c.add(e.at, ruleValue, "", "exists: %s", l.err)
		return false
	}
	return c.matches(l, expandAll(e.patterns, env), e.at)
}
