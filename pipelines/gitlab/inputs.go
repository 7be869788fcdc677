package gitlab

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Limits of spec:inputs.
const (
	maxInputs      = 200
	maxGivenInputs = 20 // given to a pipeline
	maxOptions     = 50
)

var (
	headerKeys = keyset{where: "in the header of a file", supported: []string{"spec"}}
	specKeys   = keyset{where: "in spec", supported: []string{"component", "description", "include", "inputs"}}
	inputKeys  = keyset{where: "in spec:inputs", supported: []string{"default", "description", "options", "regex", "rules", "type"}}
	inputTypes = []string{"array", "boolean", "number", "string"}
)

// input that a file declares.
type input struct {
	name     string
	at       place
	typ      string
	fallback *value // nil: it must be given
	options  []*value
	regex    *regexp.Regexp
	rules    []inputRule
	// open while its rules are evaluated.
	open, done bool
	val        *value
}

// readInput as declared; nil where that has problems.
func (l *loader) readInput(e entry) *input {
	in := &input{name: e.name, at: e.at, typ: "string"}
	v := e.val
	if v.kind == kindNull || v.kind == kindString && v.text == "" {
		return in
	}
	before := l.count()
	if !inputKeys.check(v, l.problems) {
		return nil
	}
	if t := v.get("type"); t != nil {
		if !slices.Contains(inputTypes, t.text) || t.kind != kindString {
			l.add(t.place, ruleInputs, didYouMean(t.text, inputTypes), "input %q has the type %q; there are %s", e.name, t.text, strings.Join(inputTypes, ", "))
			return nil
		}
		in.typ = t.text
	}
	if r := v.get("rules"); r != nil {
		for _, key := range []string{"default", "options"} {
			if v.get(key) != nil {
				l.add(v.at(key), ruleInputs, "write it in the last of the rules, without if", "input %q has rules, which say its %s", e.name, key)
			}
		}
		in.rules = l.readInputRules(in, r)
	}
	if o := v.get("options"); o != nil {
		in.options = l.inputOptions(in, o)
	}
	if r := v.get("regex"); r != nil {
		var err error
		switch in.regex, err = regexp.Compile(r.text); {
		case in.typ != "string":
			l.add(r.place, ruleInputs, "", "input %q is %s; a regex is for strings", e.name, article(in.typ))
		case r.kind != kindString || err != nil:
			l.add(r.place, ruleInputs, "write it as RE2 has it, without slashes around it", "the regex of input %q is no regular expression", e.name)
		}
	}
	if i, ok := v.index["default"]; ok && v.keys[i].val.kind != kindNull && l.count() == before {
		in.fallback = v.keys[i].val
		l.fits(in, in.fallback, in.options, "default value", in.fallback.place)
	}
	if l.count() > before {
		return nil
	}
	return in
}

func (l *loader) inputOptions(in *input, o *value) []*value {
	switch {
	case o.kind != kindList:
		l.add(o.place, ruleInputs, "", "the options of input %q are a list, and this is %s", in.name, o.kind)
	case in.typ == "boolean" || in.typ == "array":
		l.add(o.place, ruleInputs, "", "input %q is %s; options are for strings and numbers", in.name, article(in.typ))
	case len(o.items) > maxOptions:
		l.add(o.place, ruleLimit, "", "input %q has %d options; at most %d are allowed", in.name, len(o.items), maxOptions)
	default:
		for _, item := range o.items {
			l.fits(in, item, nil, "option", item.place)
		}
		return o.items
	}
	return nil
}

func article(typ string) string {
	if typ == "array" {
		return "an array"
	}
	return "a " + typ
}

// fits says whether a value is of the input's type, among the options, and as its
// regex wants it.
func (l *loader) fits(in *input, v *value, options []*value, what string, at place) bool {
	kinds := map[string]kind{"string": kindString, "number": kindNumber, "boolean": kindBool, "array": kindList}
	switch {
	case v.kind != kinds[in.typ]:
		hint := ""
		if in.typ == "string" && v.scalar() {
			hint = "quote it"
		}
		l.add(at, ruleInputs, hint, "input %q: the %s is not %s", in.name, what, article(in.typ))
	case len(options) > 0 && !slices.ContainsFunc(options, func(o *value) bool { return sameScalar(o, v) }):
		var known []string
		for _, o := range options {
			known = append(known, o.text)
		}
		l.add(at, ruleInputs, "options: "+strings.Join(known, ", "), "input %q: the %s %q is none of its options", in.name, what, v.text)
	case in.regex != nil && !l.standIns && v.kind == kindString && !in.regex.MatchString(v.text):
		l.add(at, ruleInputs, "", "input %q: the %s %q does not match its regex %s", in.name, what, v.text, in.regex)
	default:
		return true
	}
	return false
}

func sameScalar(a, b *value) bool {
	if a.kind == kindNumber && b.kind == kindNumber {
		x, err1 := strconv.ParseFloat(a.text, 64)
		y, err2 := strconv.ParseFloat(b.text, 64)
		return a.text == b.text || err1 == nil && err2 == nil && x == y
	}
	return a.kind == b.kind && a.text == b.text
}

// inputs of a file: each that it declares, with what it is given or falls back to.
func (l *loader) inputs(u *unit, declared []*input) map[string]*value {
	byName := map[string]*input{}
	var names []string
	for _, in := range declared {
		byName[in.name] = in
		names = append(names, in.name)
	}
	for _, name := range slices.Sorted(maps.Keys(u.inputs)) {
		if byName[name] == nil {
			l.add(u.inputs[name].at, ruleInputs, didYouMean(name, names), "%s has no input %q", u.label(l.file), name)
		}
	}
	out := make(map[string]*value, len(declared))
	for _, in := range declared {
		out[in.name] = l.input(u, in, byName)
	}
	return out
}

// input has the value that is given, or the one that its rules or its default say.
func (l *loader) input(u *unit, in *input, all map[string]*input) *value {
	if in.done {
		return in.val
	}
	if in.open {
		l.add(in.at, ruleInputs, "remove one of the rules", "the rules of input %q depend on it", in.name)
		return nil
	}
	in.open = true
	options, fallback, ruled := in.options, in.fallback, true
	if in.rules != nil {
		options, fallback, ruled = l.ruled(u, in, all)
	}
	in.open, in.done = false, true
	given, ok := u.inputs[in.name]
	if ok && u.root && given.val.kind == kindString && in.typ != "string" {
		given.val = l.fromJSON(json.RawMessage(given.val.text), given.at)
	} else if ok && u.root && given.val.scalar() && in.typ == "string" {
		// Who types --input count=3 need not know of which type it is.
		given.val = &value{kind: kindString, text: given.val.text, place: given.val.place}
	}
	switch {
	case ok && given.val.kind != kindNull:
		at := given.val.place
		if at == (place{}) {
			at = given.at
		}
		if l.fits(in, given.val, options, "given value", at) {
			in.val = given.val
		}
	case fallback != nil:
		in.val = fallback
	case !ruled:
		in.val = &value{kind: kindString, place: in.at}
	default:
		l.add(u.at, ruleInputs, "give it a value in inputs:, or a default in spec:inputs", "input %q of %s has no value", in.name, u.label(l.file))
	}
	return in.val
}

// fromJSON makes a value of a JSON text; what is none is null.
func (c *compiler) fromJSON(raw json.RawMessage, at place) *value {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var any any
	if len(raw) > maxBytes || d.Decode(&any) != nil {
		return &value{kind: kindString, text: string(raw), place: at}
	}
	return fromAny(any, at)
}

func fromAny(x any, at place) *value {
	v := &value{place: at}
	switch x := x.(type) {
	case string:
		v.kind, v.text = kindString, x
	case json.Number:
		v.kind, v.text = kindNumber, x.String()
	case bool:
		v.kind, v.text = kindBool, strconv.FormatBool(x)
	case []any:
		v.kind = kindList
		for _, item := range x {
			v.items = append(v.items, fromAny(item, at))
		}
	case map[string]any:
		v.kind = kindMap
		for _, name := range slices.Sorted(maps.Keys(x)) {
			v.put(entry{name: name, at: at, val: fromAny(x[name], at)})
		}
	}
	return v
}
