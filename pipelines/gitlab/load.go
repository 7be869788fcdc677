package gitlab

import (
	"maps"
	"slices"
	"strings"
)

// Limits of what one pipeline loads.
const (
	maxIncludes    = 150     // files, nested ones too, and each time one is included
	maxNested      = 50      // files that include one another
	maxLoaded      = 8 << 20 // bytes of all files
	maxGlobMatches = maxIncludes
)

// loader reads the file and all that it includes.
type loader struct {
	*compiler
	files, bytes int
	made         int // bytes that interpolation made
	env          *environment
	projects     map[string]*home
	remotes      map[string][]byte
}

// home is where a file comes from, which is where its own includes are looked up.
type home struct {
	// key tells homes apart; prefix begins the names of its files in problems.
	key, prefix string
	// files of the commit; nil where there is none: a remote file, a template.
	files Files
	// variables are known in its include section.
	variables bool
}

// unit is one file to load.
type unit struct {
	home *home
	path string
	// file is its name in places; empty for the one that is compiled.
	file    string
	content []byte
	// at is where it is included.
	at place
	// inputs given to it, by name; root says by hand, so that a string may stand for
	// any type.
	inputs map[string]entry
	root   bool
	// component has what $[[ component.x ]] yields; nil for other files.
	component map[string]*value
}

func (u *unit) key() string { return u.home.key + ":" + u.path }

// label in messages.
func (u *unit) label(main string) string {
	if u.file == "" {
		return main
	}
	return u.file
}

func (c *compiler) loader() *loader {
	return &loader{compiler: c, projects: map[string]*home{}, remotes: map[string][]byte{}}
}

// thisHome is the key of the commit that is compiled.
const thisHome = "this"

// here is the commit that is compiled.
func (c *compiler) here() *home {
	return &home{key: thisHome, files: c.ctx.Files, variables: true}
}

// loadFile is the file to compile with all that it includes; nil where that is nothing.
func (c *compiler) loadFile(content []byte) *value {
	u := &unit{home: c.here(), path: strings.TrimLeft(c.file, "/"), content: content, root: true, at: start, inputs: map[string]entry{}}
	for _, name := range slices.Sorted(maps.Keys(c.ctx.Inputs)) {
		u.inputs[name] = entry{name: name, at: start, val: c.fromJSON(c.ctx.Inputs[name], start)}
	}
	if len(u.inputs) > maxGivenInputs {
		c.add(start, ruleLimit, "", "the pipeline is given %d inputs; at most %d are allowed", len(u.inputs), maxGivenInputs)
		return nil
	}
	return c.loader().load(u, nil)
}

// load one file, and before it what it includes, merged. What open says is being
// loaded already includes it.
func (l *loader) load(u *unit, open []*unit) *value {
	if l.bytes += len(u.content); l.bytes > maxLoaded {
		l.add(u.at, ruleLimit, "include fewer or smaller files", "the files of this pipeline have more than %d bytes together", maxLoaded)
		return nil
	}
	docs, ok := documents(u.content, u.file, l.problems)
	if !ok {
		return nil
	}
	header, body := split(docs)
	if header == nil && len(docs) == 2 {
		l.add(docs[1].place, ruleSyntax, "only a header with `spec:` may stand before `---`", "a second YAML document")
		return nil
	}
	body, ok = l.interpolate(u, header, body)
	if !ok {
		return nil
	}
	top := place{line: 1, column: 1, file: u.file}
	if body == nil || body.kind == kindNull {
		if u.file == "" {
			l.add(top, ruleEmpty, "write at least one job with a script", "the file is empty")
		} else {
			l.add(u.at, ruleInclude, "remove the include, or write the file", "the included file %s is empty", u.file)
		}
		return nil
	}
	if body.kind != kindMap {
		l.add(body.place, ruleType, "write jobs as `name:` with keys below", "the file is a mapping of jobs, and this is %s", body.kind)
		return nil
	}
	include := body.get("include")
	if include == nil {
		return body.without("include")
	}
	merged := &value{kind: kindMap, place: body.place}
	open = append(slices.Clip(open), u)
	for _, e := range l.entries(include) {
		for _, sub := range l.units(e, u.home) {
			if v := l.enter(sub, open); v != nil {
				l.merger.mergeInto(merged, v)
			}
		}
	}
	l.merger.mergeInto(merged, body.without("include"))
	return merged
}

// enter an included file, unless it is one too many.
func (l *loader) enter(u *unit, open []*unit) *value {
	if l.files++; l.files > maxIncludes {
		l.add(u.at, ruleLimit, "include fewer files", "more than %d files are included, those of included files counted too", maxIncludes)
		return nil
	}
	if len(open) > maxNested {
		l.add(u.at, ruleLimit, "", "files include one another more than %d deep", maxNested)
		return nil
	}
	for i, o := range open {
		if o.key() != u.key() {
			continue
		}
		var circle []string
		for _, x := range append(open[i:len(open):len(open)], u) {
			circle = append(circle, x.label(l.file))
		}
		l.add(u.at, ruleInclude, "remove one of the includes", "files include one another in a circle: %s", strings.Join(circle, " -> "))
		return nil
	}
	return l.load(u, open)
}

// split the documents of a file into its header, where it has one, and the rest.
func split(docs []*value) (header, body *value) {
	if len(docs) > 0 && docs[0].kind == kindMap {
		if _, ok := docs[0].index["spec"]; ok {
			header, docs = docs[0], docs[1:]
		}
	}
	if len(docs) > 0 {
		body = docs[0]
	}
	return header, body
}

// mergeInto a mapping that nobody else has.
func (m *merger) mergeInto(into, from *value) {
	for _, e := range from.keys {
		if m.budget--; m.budget < 0 {
			m.add(e.at, ruleLimit, "include fewer or smaller mappings", "what extends and include merge is too large together")
			return
		}
		if i, ok := into.index[e.name]; ok {
			if old := into.keys[i].val; old != e.val && old.kind == kindMap && e.val.kind == kindMap {
				e.val = m.merge(old, e.val)
			}
		}
		into.put(e)
	}
}
