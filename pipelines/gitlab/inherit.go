package gitlab

import (
	"slices"

	"slipway.dev/pipelines/plan"
)

var inheritKeys = keyset{where: "in inherit", supported: []string{"default", "variables"}}

// inherits says of each name whether a job takes it over: inherit:default and
// inherit:variables are true, false or a list of names.
func (c *compiler) inherits(v *value, key string, known []string) func(name string) bool {
	all := func(string) bool { return true }
	in := v.get("inherit")
	if in == nil || !inheritKeys.check(in, c.problems) {
		return all
	}
	x := in.get(key)
	if x == nil {
		return all
	}
	if yes, ok := x.truth(); ok {
		return func(string) bool { return yes }
	}
	if x.kind != kindList {
		c.add(x.place, ruleType, "", "inherit:%s is true, false or a list of names, and this is %s", key, x.kind)
		return all
	}
	names := c.strings(x, "inherit:"+key)
	for i, n := range names {
		if known != nil && !slices.Contains(known, n) {
			c.add(x.items[i].place, ruleValue, didYouMean(n, known), "inherit:%s: there is no %q", key, n)
		}
	}
	return func(name string) bool { return slices.Contains(names, name) }
}

// withDefaults finds a keyword in a job, or else among the defaults that it inherits.
func (c *compiler) withDefaults(v *value) func(key string) *value {
	inherits := c.inherits(v, "default", defaultKeys.supported)
	return func(key string) *value {
		// One that is null is not given, and the default stays.
		if x := v.get(key); x != nil {
			return x
		}
		if !inherits(key) {
			return nil
		}
		return c.defaults.get(key)
	}
}

// inherited variables of the pipeline, and the names of those that the job is without.
func (c *compiler) inherited(v *value) (vars []plan.Variable, without []string) {
	inherits := c.inherits(v, "variables", nil)
	for _, x := range c.global {
		if inherits(x.Name) {
			vars = append(vars, x)
		} else if !slices.Contains(without, x.Name) {
			without = append(without, x.Name)
		}
	}
	return vars, without
}
