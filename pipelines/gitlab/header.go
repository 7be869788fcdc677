package gitlab

import (
	"regexp"
	"slices"
	"strings"
)

var componentFields = []string{"name", "reference", "sha", "version"}

// header of a file: what it declares, and then what $[[ ]] yields in it. It says
// false where that has problems.
func (l *loader) header(u *unit, v *value) (contexts map[string]map[string]*value, ok bool) {
	before := l.count()
	headerKeys.check(v, l.problems)
	if l.count() > before {
		return nil, false
	}
	contexts = map[string]map[string]*value{"inputs": {}, "component": {}}
	spec := v.get("spec")
	if spec == nil {
		spec = &value{kind: kindMap, place: v.place}
	}
	if !specKeys.check(spec, l.problems) {
		return nil, false
	}
	if d := spec.get("description"); d != nil && !d.scalar() {
		l.add(d.place, ruleInputs, "", "spec:description is a string, and this is %s", d.kind)
	}
	if c := spec.get("component"); c != nil {
		if c.kind != kindList {
			l.add(c.place, ruleInputs, "", "spec:component is a list, and this is %s", c.kind)
		}
		for _, item := range c.items {
			if !slices.Contains(componentFields, item.text) {
				l.add(item.place, ruleInputs, didYouMean(item.text, componentFields), "spec:component: there is no field %q", item.text)
				continue
			}
			field := u.component[item.text]
			if field == nil {
				field = &value{place: item.place}
			}
			contexts["component"][item.text] = field
		}
	}
	var declared []*input
	for _, e := range l.declared(u, spec) {
		if in := l.readInput(e); in != nil {
			declared = append(declared, in)
		}
	}
	if len(declared) > maxInputs {
		l.add(declared[maxInputs].at, ruleLimit, "", "more than %d inputs", maxInputs)
	}
	if l.count() > before {
		return nil, false
	}
	contexts["inputs"] = l.inputs(u, declared)
	return contexts, l.count() == before
}

// declared inputs of a spec, those of the files that it includes first.
func (l *loader) declared(u *unit, spec *value) []entry {
	var out []entry
	seen := map[string]bool{}
	take := func(v *value) {
		if v == nil {
			return
		}
		if v.kind != kindMap {
			l.add(v.place, ruleInputs, "write NAME: below it", "inputs is a mapping, and this is %s", v.kind)
			return
		}
		for _, e := range v.keys {
			if seen[e.name] {
				l.add(e.at, ruleInputs, "rename one of the two", "input %q is declared twice, here and in an included file", e.name)
			}
			seen[e.name] = true
			out = append(out, e)
		}
	}
	if inc := spec.get("include"); inc != nil {
		for _, e := range l.entries(inc) {
			if e.get("component") != nil || e.get("template") != nil {
				l.add(e.place, ruleInclude, "", "spec:include takes local, project and remote files")
				continue
			}
			for _, sub := range l.units(e, u.home) {
				take(l.inputFile(sub))
			}
		}
	}
	take(spec.get("inputs"))
	return out
}

// inputFile holds nothing but inputs.
func (l *loader) inputFile(u *unit) *value {
	if l.files++; l.files > maxIncludes {
		l.add(u.at, ruleLimit, "include fewer files", "more than %d files are included, those of included files counted too", maxIncludes)
		return nil
	}
	docs, ok := documents(u.content, u.file, l.problems)
	if !ok {
		return nil
	}
	if len(docs) != 1 || docs[0].kind != kindMap || len(docs[0].keys) != 1 || docs[0].keys[0].name != "inputs" {
		l.add(u.at, ruleInclude, "a file for spec:include holds `inputs:` and nothing else", "%s holds other keys than inputs", u.file)
		return nil
	}
	return docs[0].get("inputs")
}

// inputRule says options and default of an input where cond holds.
type inputRule struct {
	cond     *node // nil: always
	at       place
	names    []string // of the inputs in cond, $INPUT0 and so on
	options  []*value
	fallback *value
}

var (
	inputRuleKeys = keyset{where: "in the rules of an input", supported: []string{"default", "if", "options"}}
	inputBlock    = regexp.MustCompile(`\$\[\[\s*inputs\.([^\s\]|]+)\s*\]\]`)
	bareTruth     = regexp.MustCompile(`\b(true|false)\b`)
)

func (l *loader) readInputRules(in *input, v *value) []inputRule {
	if v.kind != kindList {
		l.add(v.place, ruleInputs, "begin each rule with `- if:`", "the rules of input %q are a list, and this is %s", in.name, v.kind)
		return nil
	}
	out := []inputRule{}
	for _, item := range v.items {
		if !inputRuleKeys.check(item, l.problems) {
			continue
		}
		r := inputRule{at: item.place}
		if o := item.get("options"); o != nil {
			r.options = l.inputOptions(in, o)
		}
		if d := item.get("default"); d != nil && l.fits(in, d, r.options, "default value", d.place) {
			r.fallback = d
		}
		if cond := item.get("if"); cond != nil {
			r.at = cond.place
			var err error
			if r.cond, err = parseExpr(r.readNames(cond.text)); err != nil {
				l.add(cond.place, ruleExpression, `such as $[[ inputs.cloud ]] == "aws"`, "if: %s", err)
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// readNames puts variables for the inputs, and strings for true and false.
func (r *inputRule) readNames(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if q := s[i]; q == '"' || q == '\'' {
			end := strings.IndexByte(s[i+1:], q)
			if end < 0 {
				b.WriteString(s[i:])
				break
			}
			b.WriteString(s[i : i+end+2])
			i += end + 2
			continue
		}
		end := strings.IndexAny(s[i:], `"'`)
		if end < 0 {
			end = len(s) - i
		}
		part := inputBlock.ReplaceAllStringFunc(s[i:i+end], func(m string) string {
			r.names = append(r.names, inputBlock.FindStringSubmatch(m)[1])
			return "$INPUT" + string(rune('A'+(len(r.names)-1)%26)) + strings.Repeat("_", (len(r.names)-1)/26)
		})
		b.WriteString(bareTruth.ReplaceAllString(part, `"$1"`))
		i += end
	}
	return b.String()
}

// ruled says the options and default of an input by the first of its rules that
// holds, and whether one does.
func (l *loader) ruled(u *unit, in *input, all map[string]*input) (options []*value, fallback *value, holds bool) {
	for _, r := range in.rules {
		if r.cond == nil {
			return r.options, r.fallback, true
		}
		values := map[string]datum{}
		for i, name := range r.names {
			variable := "INPUT" + string(rune('A'+i%26)) + strings.Repeat("_", i/26)
			other := all[name]
			if other == nil {
				l.add(r.at, ruleInputs, "", "the rules of input %q ask for %q; there is no such input", in.name, name)
				return nil, nil, false
			}
			d := datum{null: true}
			if v := l.input(u, other, all); v != nil {
				d = datum{text: v.text}
			}
			values[variable] = d
		}
		d, err := r.cond.eval(func(name string) datum {
			if d, ok := values[name]; ok {
				return d
			}
			return datum{null: true}
		})
		if err != nil {
			l.add(r.at, ruleExpression, "", "if: %s", err)
			return nil, nil, false
		}
		if d.true() {
			return r.options, r.fallback, true
		}
	}
	return nil, nil, false
}
