package gitlab

import (
	"encoding/json"
	"slices"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// Form is what a person may fill in who starts a run of a file.
type Form struct {
	// Description of the file, from spec:description.
	Description string `json:"description,omitempty"`
	// Variables that have a description or options.
	Variables []plan.Asked `json:"variables"`
	// Inputs of spec:inputs.
	Inputs []FormInput `json:"inputs"`
}

// FormInput is one input of a file. Values are JSON.
type FormInput struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description,omitempty"`
	// Required: it has no default.
	Required bool              `json:"required,omitempty"`
	Default  json.RawMessage   `json:"default,omitempty"`
	Options  []json.RawMessage `json:"options,omitempty"`
	Regex    string            `json:"regex,omitempty"`
	// Rules say its options and default by other inputs.
	Rules bool `json:"rules,omitempty"`
}

// FormOf a file. It needs no inputs and no variables to be given.
func FormOf(file string, content []byte, in Context) (*Form, []v1alpha1.Problem) {
	in.Inputs, in.Variables = nil, nil
	f := &Form{Variables: []plan.Asked{}, Inputs: []FormInput{}}
	c := newCompiler(file, in)
	if docs, ok := documents(content, "", c.problems); ok {
		if header, _ := split(docs); header != nil && headerKeys.check(header, c.problems) {
			spec := header.get("spec")
			if spec == nil {
				spec = &value{kind: kindMap, place: header.place}
			}
			f.Description = c.text(spec.get("description"), "spec:description")
			in.Inputs = c.formInputs(f, spec)
		}
	}
	if c.count() > 0 {
		return nil, c.sorted()
	}
	// Variables may be anywhere in what is included, which the inputs decide on.
	c = newCompiler(file, in)
	c.standIns = true
	root := c.loadFile(content)
	if root == nil {
		return nil, c.sorted()
	}
	t := &templates{merger: c.merger, root: root, done: map[string]*value{}, height: map[string]int{}}
	if c.root = c.references(t.all()); c.stopped() {
		return nil, c.sorted()
	}
	c.variables(c.root.get("variables"), globalVariableKeys)
	if c.count() > 0 {
		return nil, c.sorted()
	}
	if c.asked != nil {
		f.Variables = c.asked
	}
	return f, nil
}

// formInputs of a spec, and a value for each that has no default, so that the rest of
// the file can be read.
func (c *compiler) formInputs(f *Form, spec *value) map[string]json.RawMessage {
	l := c.loader()
	u := &unit{home: c.here(), root: true, at: start}
	given := map[string]json.RawMessage{}
	for _, e := range l.declared(u, spec) {
		in := l.readInput(e)
		if in == nil {
			continue
		}
		one := FormInput{Name: in.name, Type: in.typ, Description: c.text(e.val.get("description"), "description of input "+in.name), Rules: len(in.rules) > 0}
		if in.regex != nil {
			one.Regex = in.regex.String()
		}
		none := &environment{}
		for _, o := range in.options {
			one.Options = append(one.Options, c.json(o, none))
		}
		switch {
		case in.fallback != nil:
			one.Default = c.json(in.fallback, none)
		case !one.Rules:
			one.Required = true
			given[in.name] = standIn(&one)
		}
		f.Inputs = append(f.Inputs, one)
	}
	return given
}

// standIn for an input that nobody has given yet.
func standIn(in *FormInput) json.RawMessage {
	if len(in.Options) > 0 {
		return slices.Clone(in.Options[0])
	}
	switch in.Type {
	case "number":
		return json.RawMessage("0")
	case "boolean":
		return json.RawMessage("false")
	case "array":
		return json.RawMessage("[]")
	}
	return json.RawMessage(`""`)
}
