package helm

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	chart "helm.sh/helm/v4/pkg/chart/v2"

	"slipway.dev/gitops/render"
)

const schemaFile = "values.schema.json"

// closed opens no schema that another one names: Helm's own loader would read files of
// this machine and ask the network.
type closed struct{}

func (closed) Load(url string) (any, error) {
	return nil, fmt.Errorf("%.200s is not fetched; a schema must be complete in itself", url)
}

// validate holds values against the schemas of a chart and its subcharts, which are at
// a path of names.
func (l loader) validate(c *chart.Chart, vals map[string]any, at []string) error {
	place := l.place
	for _, name := range at {
		place = path.Join(place, "charts", name)
	}
	if c.Schema != nil {
		if err := against(c.Schema, vals); err != nil {
			return l.unfit(path.Join(place, schemaFile), at, err)
		}
	}
	for _, sub := range c.Dependencies() {
		v, ok := vals[sub.Name()].(map[string]any)
		if !ok {
			continue
		}
		if err := l.validate(sub, v, append(at[:len(at):len(at)], sub.Name())); err != nil {
			return err
		}
	}
	return nil
}

// unfit says where the first value that a schema does not allow was given.
func (l loader) unfit(schema string, at []string, err error) error {
	var wrong *jsonschema.ValidationError
	if errors.As(err, &wrong) {
		for len(wrong.Causes) > 0 {
			wrong = wrong.Causes[0]
		}
		for i := len(l.given) - 1; i >= 0 && len(wrong.InstanceLocation) > 0; i-- {
			if place, ok := l.given[i].At(append(at[:len(at):len(at)], wrong.InstanceLocation...)); ok {
				return place.Refuse("%s does not allow this: %s", schema, oneLine(err.Error()))
			}
		}
	}
	return render.Refuse(schema, 0, "the values do not satisfy it: %s", oneLine(err.Error()))
}

func against(schema []byte, vals map[string]any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the schema is not usable: %v", r)
		}
	}()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(closed{})
	const url = "schema:///" + schemaFile
	if err := compiler.AddResource(url, doc); err != nil {
		return err
	}
	s, err := compiler.Compile(url)
	if err != nil {
		return err
	}
	return s.Validate(vals)
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.TrimPrefix(strings.TrimPrefix(s, "jsonschema validation failed with 'schema:///values.schema.json#' "), "- ")
	if len(s) > 2000 {
		s = strings.ToValidUTF8(s[:2000], "") + "…"
	}
	return s
}
