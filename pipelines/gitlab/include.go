package gitlab

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"slipway.dev/pipelines/plan"
)

var (
	includeKeys = keyset{
		where:       "in include",
		supported:   []string{"cache", "component", "file", "inputs", "integrity", "local", "project", "ref", "remote", "rules", "template"},
		unsupported: map[string]string{"artifact": "only trigger:include takes the file of a job", "with": "it is called inputs now"},
	}
	includeRuleKeys = keyset{where: "in include:rules", supported: []string{"changes", "exists", "if", "when"}}
	includeWhens    = []string{"always", "never"}
	includeKinds    = []string{"local", "project", "remote", "template", "component"}
)

// entries of an include section: one, or a list of them, each a string or a mapping.
func (l *loader) entries(v *value) []*value {
	items := []*value{v}
	if v.kind == kindList {
		items = l.flatten(v.items, "include")
	}
	var out []*value
	for _, item := range items {
		switch item.kind {
		case kindMap:
			before := l.count()
			if includeKeys.check(item, l.problems); l.count() == before {
				out = append(out, item)
			}
		case kindString:
			kind := "local"
			if strings.HasPrefix(item.text, "https://") || strings.HasPrefix(item.text, "http://") {
				kind = "remote"
			}
			e := &value{kind: kindMap, place: item.place}
			e.put(entry{name: kind, at: item.place, val: item})
			out = append(out, e)
		default:
			l.add(item.place, ruleInclude, "write the path of a file, or a mapping such as `local: PATH`", "an include is a string or a mapping, and this is %s", item.kind)
		}
	}
	return out
}

// units are the files of one entry in a file of that home; none where its rules leave
// it out or where it has a problem.
func (l *loader) units(e *value, in *home) []*unit {
	kind := ""
	for _, k := range includeKinds {
		if e.get(k) == nil {
			continue
		}
		if kind != "" {
			l.add(e.at(k), ruleInclude, "write two includes", "an include has either %s or %s", kind, k)
			return nil
		}
		kind = k
	}
	if kind == "" {
		l.add(e.place, ruleInclude, "write one of "+strings.Join(includeKinds, ", "), "the include does not say what to include")
		return nil
	}
	for key, of := range map[string]string{"file": "project", "ref": "project", "integrity": "remote", "cache": "remote"} {
		if e.get(key) != nil && kind != of {
			l.add(e.at(key), ruleInclude, "", "%s belongs to include:%s", key, of)
			return nil
		}
	}
	if !l.chosen(e.get("rules"), in) {
		return nil
	}
	where := e.get(kind)
	text, ok := l.location(where, in, "include:"+kind)
	if !ok {
		return nil
	}
	var units []*unit
	switch kind {
	case "local":
		units = l.local(text, where.place, in)
	case "project":
		units = l.project(e, text, where.place, in)
	case "remote":
		units = l.remote(text, where.place, e)
	case "template":
		units = l.template(text, where.place)
	case "component":
		units = l.component(text, where.place)
	}
	given := l.given(e.get("inputs"))
	for _, u := range units {
		u.inputs = given
	}
	return units
}

// chosen says whether the rules of an include let it in. They are about the files and
// changes of the commit that the including file is in.
func (l *loader) chosen(v *value, in *home) bool {
	if v == nil {
		return true
	}
	files, home := l.ctx.Files, l.paths.home
	l.ctx.Files, l.paths.home = in.files, in.key
	if in.key == thisHome {
		l.paths.home = ""
	}
	defer func() { l.ctx.Files, l.paths.home = files, home }()
	before := l.count()
	match := l.first(l.readRules(v, includeRuleKeys, includeWhens), l.known(in))
	return l.count() == before && match != nil && match.when != plan.Never
}

// known are the variables of an include section: what is known before any file is read.
func (l *loader) known(in *home) *environment {
	if !in.variables {
		return &environment{}
	}
	if l.env == nil {
		l.env = l.environment("")
	}
	return l.env
}

// location with its variables replaced.
func (l *loader) location(v *value, in *home, what string) (string, bool) {
	if !v.scalar() || v.text == "" {
		l.add(v.place, ruleInclude, "", "%s is a string, and this is %s", what, v.kind)
		return "", false
	}
	env, ok := l.known(in), true
	text := plan.Expand(v.text, func(name string) (string, bool) {
		d := env.lookup(name)
		if d.hidden {
			l.add(v.place, ruleInclude, "make it visible: slipway variable set "+name+" --visible", "%s refers to $%s, which is masked", what, name)
			ok = false
		}
		return d.text, true
	})
	if ok && (text == "" || len(text) > 2048 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })) {
		l.add(v.place, ruleInclude, "", "%s %q is not a location", what, text)
		return "", false
	}
	return text, ok
}

// local files of the home; a pattern may name many, or none.
func (l *loader) local(text string, at place, in *home) []*unit {
	if in.files == nil {
		hint := "include it as project, remote or template"
		if in.key == thisHome {
			hint = "run this in a checkout of the repository"
		}
		l.add(at, ruleInclude, hint, "local file %s: this file is in no repository", text)
		return nil
	}
	name, ok := l.inside(text, at)
	if !ok {
		return nil
	}
	if !strings.Contains(name, "*") {
		u := l.fileOf(in, name, at)
		if u == nil {
			return nil
		}
		return []*unit{u}
	}
	all, err := in.files.List()
	if err != nil {
		l.add(at, ruleInclude, "", "local files %s: %s", text, err)
		return nil
	}
	pattern := wildcard(name)
	var out []*unit
	for _, f := range all {
		if !pattern.MatchString(f) {
			continue
		}
		if len(out) == maxGlobMatches {
			l.add(at, ruleLimit, "include fewer files", "%s matches more than %d files", text, maxGlobMatches)
			return nil
		}
		if u := l.fileOf(in, f, at); u != nil {
			out = append(out, u)
		}
	}
	return out
}

// wildcard as include:local has it: * within a directory, ** across directories.
func wildcard(pattern string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.ReplaceAll(quoted, `\*\*`, ".*")
	quoted = strings.ReplaceAll(quoted, `\*`, "[^/]*")
	return regexp.MustCompile("^" + quoted + "$")
}

// inside is the path within a repository; a leading slash is its root.
func (l *loader) inside(text string, at place) (string, bool) {
	name := strings.TrimLeft(text, "/")
	if strings.Contains(name, `\`) || name != "" && strings.Contains("/"+name+"/", "/../") {
		l.add(at, ruleInclude, "write the path from the root of the repository", "%q leaves the repository", text)
		return "", false
	}
	name = path.Clean(name)
	if !strings.HasSuffix(name, ".yml") && !strings.HasSuffix(name, ".yaml") {
		l.add(at, ruleInclude, "rename it", "the included file %q does not end in .yml or .yaml", text)
		return "", false
	}
	return name, true
}

// file of a home; nil where it is not there.
func (l *loader) fileOf(in *home, name string, at place) *unit {
	u := &unit{home: in, path: name, file: in.prefix + name, at: at}
	content, err := in.files.File(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.add(at, ruleInclude, l.near(in, name), "there is no file %s", u.file)
		return nil
	case err != nil:
		l.add(at, ruleInclude, "", "file %s: %s", u.file, err)
		return nil
	}
	u.content = content
	return u
}

func (l *loader) near(in *home, name string) string {
	all, err := in.files.List()
	if err != nil || len(all) > 2000 {
		return ""
	}
	var yaml []string
	for _, f := range all {
		if path.Ext(f) == ".yml" || path.Ext(f) == ".yaml" {
			yaml = append(yaml, f)
		}
	}
	if n := nearest(name, yaml); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return ""
}

// given inputs of an entry, by name.
func (l *loader) given(v *value) map[string]entry {
	if v == nil {
		return nil
	}
	if v.kind != kindMap {
		l.add(v.place, ruleInputs, "write NAME: value below it", "inputs is a mapping, and this is %s", v.kind)
		return nil
	}
	out := map[string]entry{}
	for _, e := range v.keys {
		out[e.name] = e
	}
	return out
}
