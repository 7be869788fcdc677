package gitlab

import (
	"slices"
	"strings"

	"slipway.dev/pipelines/plan"
)

// variables reads a mapping of variables, in order.
func (c *compiler) variables(v *value, keys keyset) []plan.Variable {
	if v == nil {
		return nil
	}
	if v.kind != kindMap {
		c.add(v.place, ruleType, "write NAME: value below it", "variables is a mapping, and this is %s", v.kind)
		return nil
	}
	var out []plan.Variable
	for _, e := range v.keys {
		if !plan.ValidName(e.name) {
			c.add(e.at, ruleValue, "letters, digits and _, not a digit first", "variable name %q", e.name)
			continue
		}
		if variable, ok := c.variable(e, keys); ok {
			out = append(out, variable)
		}
	}
	return out
}

func (c *compiler) variable(e entry, keys keyset) (plan.Variable, bool) {
	out := plan.Variable{Name: e.name}
	val := e.val
	if val.kind == kindMap {
		keys.check(val, c.problems)
		if x := val.get("expand"); x != nil {
			expand, ok := x.truth()
			if !ok {
				c.add(x.place, ruleType, "", "variable %s: expand is true or false, and this is %s", e.name, x.kind)
			}
			out.Raw = ok && !expand
		}
		whole := val
		if val = whole.get("value"); val == nil {
			if o := whole.get("options"); o != nil {
				c.add(o.place, ruleValue, "write `value:` with one of them", "variable %s has options and no value", e.name)
			}
			// A description alone makes an empty variable that a person may fill in.
			c.ask(e, whole, nil, keys)
			return out, true
		}
		c.options(e.name, val, whole.get("options"))
		c.ask(e, whole, val, keys)
	}
	if !val.scalar() {
		hint := "quote the value"
		if val.kind == kindNull {
			hint = `write "" for an empty value`
		}
		c.add(e.at, ruleType, hint, "variable %s is a string, and this is %s", e.name, val.kind)
		return out, false
	}
	if strings.IndexByte(val.text, 0) >= 0 {
		c.add(val.place, ruleValue, "", "variable %s holds a NUL byte", e.name)
		return out, false
	}
	out.Value = val.text
	return out, true
}

// ask is what a person is told who may give the variable a value.
func (c *compiler) ask(e entry, whole, val *value, keys keyset) {
	if keys.where != globalVariableKeys.where || whole.get("description") == nil && whole.get("options") == nil {
		return
	}
	a := plan.Asked{Name: e.name, Description: c.text(whole.get("description"), "description of variable "+e.name)}
	if val != nil && val.scalar() {
		a.Value = val.text
	}
	if o := whole.get("options"); o != nil && o.kind == kindList {
		for _, item := range o.items {
			a.Options = append(a.Options, c.text(item, "options of variable "+e.name))
		}
	}
	c.asked = append(c.asked, a)
}

// checkGiven variables: one that has options is given one of them.
func (c *compiler) checkGiven() {
	for _, a := range c.asked {
		for _, v := range c.ctx.Variables {
			if err := a.Check(v.Name, v.Value); err != nil {
				at := start
				if vars := c.root.get("variables"); vars != nil {
					at = vars.at(a.Name)
				}
				c.add(at, ruleValue, "options: "+strings.Join(a.Options, ", "), "%s", err)
			}
		}
	}
}

func (c *compiler) options(name string, val, options *value) {
	if options == nil {
		return
	}
	if options.kind != kindList {
		c.add(options.place, ruleType, "", "variable %s: options is a list, and this is %s", name, options.kind)
		return
	}
	if !slices.ContainsFunc(options.items, func(o *value) bool { return o.scalar() && o.text == val.text }) {
		c.add(val.place, ruleValue, "", "variable %s: the value %q is none of its options", name, val.text)
	}
}

// environment in which rules and image names of a job are read: what is known now.
type environment struct {
	written map[string]string // as in the file: expressions do not look into values
	values  map[string]string // with references expanded
	// late ones must not be in the plan: masked variables, and what refers to them or to
	// what only the attempt knows.
	late   map[string]bool
	masked map[string]bool
}

// environment of a job that deploys to the one named scope, or of what is in no job.
func (c *compiler) environment(scope string, lists ...[]plan.Variable) *environment {
	all := slices.Clone(c.predefined)
	for _, l := range lists {
		all = append(all, l...)
	}
	env := &environment{late: map[string]bool{}, masked: map[string]bool{}}
	for _, k := range c.repository(scope) {
		all = append(all, k.Variable)
		env.masked[k.Name] = k.Masked
	}
	for _, v := range c.ctx.Variables {
		env.masked[v.Name] = false
	}
	all = append(all, c.ctx.Variables...)
	resolved := plan.Resolve(all)
	env.written, env.values = make(map[string]string, len(resolved)), make(map[string]string, len(resolved))
	raw := make(map[string]bool, len(resolved))
	for _, v := range all {
		env.written[v.Name], raw[v.Name] = v.Value, v.Raw
	}
	for _, v := range resolved {
		env.values[v.Name] = v.Value
	}
	for name, masked := range env.masked {
		if masked {
			env.late[name] = true
		}
	}
	for changed := true; changed; {
		changed = false
		for name, text := range env.written {
			if !raw[name] && !env.late[name] && strings.Contains(text, "$") && env.waits(text) {
				env.late[name], changed = true, true
			}
		}
	}
	return env
}

// repository variables of a job that deploys to the environment of that name.
func (c *compiler) repository(scope string) []Known {
	if c.ctx.Repository == nil {
		return nil
	}
	known, ok := c.scopes[scope]
	if !ok {
		known = c.ctx.Repository(scope)
		if c.scopes == nil {
			c.scopes = map[string][]Known{}
		}
		c.scopes[scope] = known
	}
	return known
}

// waits says whether text refers to what must not be in the plan.
func (env *environment) waits(text string) (waits bool) {
	plan.Expand(text, func(name string) (string, bool) {
		_, known := env.values[name]
		waits = waits || env.late[name] || !known && attemptVariables[name]
		return "", true
	})
	return waits
}

// lookup of a variable in an expression.
func (env *environment) lookup(name string) datum {
	v, ok := env.written[name]
	return datum{null: !ok, text: v, hidden: env.masked[name]}
}

// value of a variable in a field that must be whole before the job starts. One that may
// not be in the plan is hidden.
func (env *environment) value(name string) datum {
	v, ok := env.values[name]
	if env.late[name] || !ok && attemptVariables[name] {
		return datum{hidden: true}
	}
	return datum{null: !ok, text: v}
}

// text of a variable, empty where it is not known or is not to be shown.
func (env *environment) text(name string) (string, bool) {
	if env.late[name] {
		return "", true
	}
	return env.values[name], true
}

// setting is a variable that says how a job runs. What it says is in the plan, also
// where it is masked.
func (env *environment) setting(name string) string {
	if env.late[name] && !env.masked[name] {
		return ""
	}
	return env.values[name]
}

// expand what is known now, and leave the rest as it is.
func (env *environment) expand(s string) string {
	return plan.Expand(s, func(name string) (string, bool) {
		v, ok := env.values[name]
		return v, ok && !env.late[name]
	})
}
