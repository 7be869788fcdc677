package gitlab

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"slipway.dev/pipelines/plan"
)

// Limits of $[[ ]].
const (
	maxBlock     = 1 << 10 // bytes of one
	maxBlocks    = 10_000  // different ones in a file
	maxMade      = 8 << 20 // bytes that all of them make
	maxFunctions = 3
)

var block = regexp.MustCompile(`\$\[\[\s*(\S.*?\S)\s*\]\]`)

// interpolate the blocks of a file that has a header; in one without, they are text.
func (l *loader) interpolate(u *unit, header, body *value) (*value, bool) {
	if header == nil {
		for _, e := range u.inputs {
			l.add(e.at, ruleInputs, "declare them in a header: spec: inputs: NAME:", "inputs are given to %s, which has no spec:inputs", u.label(l.file))
			return nil, false
		}
		return body, true
	}
	contexts, ok := l.header(u, header)
	if !ok || body == nil {
		return body, ok
	}
	before := l.count()
	p := interpolator{loader: l, unit: u, contexts: contexts, done: map[*value]*value{}, blocks: map[string]*value{}}
	out := p.value(body)
	return out, l.count() == before
}

type interpolator struct {
	*loader
	unit     *unit
	contexts map[string]map[string]*value
	// done values, so that what aliases share stays shared.
	done   map[*value]*value
	blocks map[string]*value
	full   bool
}

func (p *interpolator) value(v *value) *value {
	if out, ok := p.done[v]; ok || p.full {
		if out == nil {
			return v
		}
		return out
	}
	out := v
	switch v.kind {
	case kindString:
		out = p.text(v, v.place)
	case kindList, kindReference:
		items := make([]*value, len(v.items))
		changed := false
		for i, item := range v.items {
			items[i] = p.value(item)
			changed = changed || items[i] != item
		}
		if changed {
			out = &value{kind: v.kind, items: items, place: v.place}
		}
	case kindMap:
		out = p.mapping(v)
	}
	p.done[v] = out
	return out
}

func (p *interpolator) mapping(v *value) *value {
	out, changed := &value{kind: kindMap, place: v.place}, false
	for _, e := range v.keys {
		val := p.value(e.val)
		name := e.name
		if strings.Contains(name, "$[[") {
			k := p.text(&value{kind: kindString, text: name, place: e.at}, e.at)
			if k.kind == kindList || k.kind == kindMap {
				p.add(e.at, ruleInputs, "", "a key is a word, and this is %s", k.kind)
				continue
			}
			name = k.text
			if _, ok := out.index[name]; ok {
				p.add(e.at, ruleDuplicate, "give the inputs other values", "%q is there twice once inputs are filled in", name)
				continue
			}
		}
		changed = changed || val != e.val || name != e.name
		out.put(entry{name: name, at: e.at, val: val})
	}
	if !changed {
		return v
	}
	return out
}

// text with its blocks replaced. One that is nothing but a block becomes the value
// itself, of whatever type.
func (p *interpolator) text(v *value, at place) *value {
	if !strings.Contains(v.text, "$[[") || p.full {
		return v
	}
	found := block.FindAllStringSubmatchIndex(v.text, -1)
	if len(found) == 0 {
		return v
	}
	if len(found) == 1 && found[0][0] == 0 && found[0][1] == len(v.text) {
		got := p.block(v.text, v.text[found[0][2]:found[0][3]], at)
		if got == nil || got == v {
			return v
		}
		if got.kind == kindList {
			return got // with the places of those who gave it
		}
		c := *got
		c.place = at
		return &c
	}
	var b strings.Builder
	last := 0
	for _, m := range found {
		b.WriteString(v.text[last:m[0]])
		last = m[1]
		whole := v.text[m[0]:m[1]]
		got := p.block(whole, v.text[m[2]:m[3]], at)
		if got == nil {
			return v
		}
		s := printed(got)
		if p.made += len(s); p.made > maxMade || b.Len()+len(s) > maxBytes {
			p.full = true
			p.add(at, ruleLimit, "give shorter inputs", "inputs make this file larger than %d bytes", maxBytes)
			return v
		}
		b.WriteString(s)
	}
	b.WriteString(v.text[last:])
	return &value{kind: kindString, text: b.String(), place: at}
}

// block's value; nil where it has problems.
func (p *interpolator) block(whole, inner string, at place) *value {
	if v, ok := p.blocks[whole]; ok {
		return v
	}
	if len(p.blocks) == maxBlocks {
		p.full = true
		p.add(at, ruleLimit, "", "more than %d different $[[ ]] in a file", maxBlocks)
		return nil
	}
	v := p.evaluate(whole, inner, at)
	p.blocks[whole] = v
	return v
}

func (p *interpolator) evaluate(whole, inner string, at place) *value {
	parts := strings.Split(inner, "|")
	access := strings.TrimSpace(parts[0])
	context, name, ok := strings.Cut(access, ".")
	switch {
	case len(inner) > maxBlock:
		p.add(at, ruleLimit, "", "a $[[ ]] is longer than %d bytes", maxBlock)
		return nil
	case context == "matrix":
		return &value{kind: kindString, text: whole, place: at} // needs:parallel reads it
	case !ok:
		p.add(at, ruleInputs, "write $[[ inputs.NAME ]]", "%s refers to nothing", whole)
		return nil
	case p.contexts[context] == nil:
		p.add(at, ruleInputs, "inputs, component and matrix are known", "%s: %q is not known in $[[ ]]", whole, context)
		return nil
	}
	v, ok := p.contexts[context][name]
	if !ok {
		var known []string
		for k := range p.contexts[context] {
			known = append(known, k)
		}
		hint := didYouMean(name, known)
		if len(known) > 1 && nearest(name, known) == "" {
			hint = "declare it in spec:" + context
		}
		p.add(at, ruleInputs, hint, "%s: there is no %q in spec:%s", whole, name, context)
		return nil
	}
	if len(parts)-1 > maxFunctions {
		p.add(at, ruleInputs, "", "%s has %d functions; at most %d are allowed", whole, len(parts)-1, maxFunctions)
		return nil
	}
	for _, f := range parts[1:] {
		var err error
		if v, err = p.apply(strings.TrimSpace(f), v); err != nil {
			p.add(at, ruleInputs, "", "%s: %s", whole, err)
			return nil
		}
	}
	return v
}

var truncate = regexp.MustCompile(`^truncate\(\s*(\d+)\s*,\s*(\d+)\s*\)$`)

func (p *interpolator) apply(f string, v *value) (*value, error) {
	name, _, _ := strings.Cut(f, "(")
	out := &value{kind: kindString, place: v.place}
	m := truncate.FindStringSubmatch(f)
	switch {
	case f == "expand_vars", f == "posix_escape", m != nil:
		if v.kind != kindString {
			return nil, fmt.Errorf("%s is for strings, and this is %s", name, v.kind)
		}
	default:
		return nil, fmt.Errorf("there is no function %q; there are expand_vars, posix_escape, truncate(OFFSET,LENGTH)", f)
	}
	switch f {
	case "expand_vars":
		var err error
		env := p.known(p.unit.home)
		// $$ stays as it is, and so does what is not known.
		out.text = plan.Expand(strings.ReplaceAll(v.text, "$$", "$$$$"), func(name string) (string, bool) {
			d := env.lookup(name)
			if d.hidden {
				err = fmt.Errorf("$%s is masked; expand_vars takes variables that are visible", name)
			}
			return d.text, !d.null
		})
		return out, err
	case "posix_escape":
		out.text = posixEscape(v.text)
		return out, nil
	}
	offset, err1 := strconv.Atoi(m[1])
	length, err2 := strconv.Atoi(m[2])
	runes := []rune(v.text)
	if err1 == nil && offset < len(runes) {
		runes = runes[offset:]
		if err2 == nil && length < len(runes) {
			runes = runes[:length]
		}
		out.text = string(runes)
	}
	return out, nil
}

var shellSpecial = regexp.MustCompile(`[^A-Za-z0-9_\-.,:+/@\n]`)

// posixEscape makes one word of a shell of it.
func posixEscape(s string) string {
	if s == "" {
		return "''"
	}
	s = shellSpecial.ReplaceAllString(s, `\$0`)
	return strings.ReplaceAll(s, "\n", "'\n'")
}

// printed within a longer string: a list as JSON has it, with spaces.
func printed(v *value) string {
	switch v.kind {
	case kindList:
		parts := make([]string, len(v.items))
		for i, item := range v.items {
			parts[i] = quoted(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case kindMap:
		parts := make([]string, len(v.keys))
		for i, e := range v.keys {
			parts[i] = strconv.Quote(e.name) + ": " + quoted(e.val)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return v.text
}

func quoted(v *value) string {
	switch v.kind {
	case kindString:
		return strconv.Quote(v.text)
	case kindNull:
		return "null"
	}
	return printed(v)
}
