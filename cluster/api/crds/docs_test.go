package crds

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// judge is what the API server does with an object of one kind.
type judge struct {
	schema *schema.Structural
	values validation.SchemaValidator
	rules  *cel.Validator
}

// judges of every kind that is defined, by apiVersion and kind.
func judges(t *testing.T) map[string]judge {
	t.Helper()
	defs, err := definitions()
	require.NoError(t, err)
	out := map[string]judge{}
	for _, d := range defs {
		var crd apiextensionsv1.CustomResourceDefinition
		require.NoError(t, yaml.Unmarshal(d.json, &crd), d.name)
		for _, v := range crd.Spec.Versions {
			var props apiextensions.CustomResourceValidation
			require.NoError(t, apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(v.Schema, &props, nil), d.name)
			structural, err := schema.NewStructural(props.OpenAPIV3Schema)
			require.NoError(t, err, d.name)
			values, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
			require.NoError(t, err, d.name)
			out[crd.Spec.Group+"/"+v.Name+" "+crd.Spec.Names.Kind] = judge{structural, values, cel.NewValidator(structural, true, celconfig.PerCallLimit)}
		}
	}
	return out
}

// of is what the API server says of an object with --validate=strict; nothing is well.
func (j judge) of(object map[string]any) (problems []string) {
	for _, unknown := range pruning.PruneWithOptions(runtime.DeepCopyJSON(object), j.schema, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}) {
		problems = append(problems, "unknown field "+unknown)
	}
	defaulting.Default(object, j.schema)
	errs := validation.ValidateCustomResource(nil, object, j.values)
	if len(errs) == 0 {
		errs, _ = j.rules.Validate(context.Background(), field.NewPath(""), j.schema, object, nil, celconfig.RuntimeCELCostBudget)
	}
	for _, err := range errs {
		problems = append(problems, err.Error())
	}
	return problems
}

// block of YAML in a page.
type block struct {
	where, text string
}

func blocks(t *testing.T) (out []block) {
	pages, err := filepath.Glob("../../../docs/*.md")
	require.NoError(t, err)
	for _, page := range pages {
		data, err := os.ReadFile(page)
		require.NoError(t, err)
		parts := strings.Split(string(data), "```yaml\n")
		for i, part := range parts[1:] {
			text, _, ok := strings.Cut(part, "```")
			require.True(t, ok, page)
			line := strings.Count(strings.Join(parts[:i+1], "\n"), "\n") + 2
			out = append(out, block{fmt.Sprintf("docs/%s:%d", filepath.Base(page), line), text})
		}
	}
	return out
}

// parts of an object are of one of these kinds, and this makes them a whole one.
var parts = []struct{ kind, base string }{
	{"Application", "{spec: {source: {repository: shop, path: deploy}}}"},
	{"Repository", "{spec: {}}"},
	{"ApplicationSet", "{spec: {repository: shop, generators: [{branches: {}}], template: {name: x, spec: {}}}}"},
}

// others are parts of files that are not ours, by how they begin.
var others = []string{"metadata:\n  annotations:\n    prometheus.io", "- url:", "route:", "build:\n", "deploy:\n  script", "resources:\n- https", "image: registry.slipway.internal"}

// TestPages: every object, and every part of one, that a page shows is one that the API
// server takes, with no field that it does not know.
func TestPages(t *testing.T) {
	judges := judges(t)
	whole, part := 0, 0
	for _, b := range blocks(t) {
		var object map[string]any
		if err := yaml.UnmarshalStrict([]byte(b.text), &object); err != nil {
			require.True(t, other(b.text), "%s: %v", b.where, err)
			continue
		}
		if version, ok := object["apiVersion"].(string); ok {
			j, ok := judges[fmt.Sprintf("%s %s", version, object["kind"])]
			if !ok {
				require.NotContains(t, version, "slipway.dev", b.where)
				continue
			}
			whole++
			require.Empty(t, j.of(object), b.where)
			continue
		}
		if other(b.text) {
			continue
		}
		part++
		said := []string{}
		for _, p := range parts {
			problems := judges["slipway.dev/v1alpha1 "+p.kind].of(completed(t, p.kind, p.base, object))
			if len(problems) == 0 {
				said = nil
				break
			}
			said = append(said, p.kind+": "+strings.Join(problems, "; "))
		}
		require.Empty(t, said, b.where)
	}
	require.GreaterOrEqual(t, whole, 6)
	require.GreaterOrEqual(t, part, 9)
}

func other(text string) bool {
	for _, begin := range others {
		if strings.HasPrefix(strings.TrimSpace(text), begin) {
			return true
		}
	}
	return false
}

// completed is a part of an object in its place: beside spec, or in it.
func completed(t *testing.T, kind, base string, part map[string]any) map[string]any {
	var object map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(base), &object))
	object["apiVersion"], object["kind"], object["metadata"] = "slipway.dev/v1alpha1", kind, map[string]any{"name": "x"}
	part = runtime.DeepCopyJSON(part)
	if _, ok := part["spec"]; !ok {
		part = map[string]any{"spec": part}
	}
	merge(object, part)
	return object
}

func merge(into, from map[string]any) {
	for k, v := range from {
		a, ok := into[k].(map[string]any)
		b, also := v.(map[string]any)
		if ok && also {
			merge(a, b)
			continue
		}
		into[k] = v
	}
}
