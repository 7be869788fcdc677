package cli

import (
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// parseYAML reads one object of ours into v. What is wrong with the text is said with the
// line and the column.
func parseYAML(file string, text []byte, v any) error {
	docs, err := render.Decode(file, text)
	if err != nil {
		return err
	}
	if len(docs) > 1 {
		return render.Place{File: file, Line: docs[1].Line}.Refuse("more than one document; want one")
	}
	places := render.NewPlaces(file, text)
	if len(docs) == 1 {
		// The words of others are near enough to be copied, and their fields are not ours.
		if group, _ := docs[0].Value["apiVersion"].(string); strings.Contains(group, "argoproj.io/") || strings.Contains(group, "fluxcd.io/") {
			return places.Of(group).Refuse("apiVersion %q; want %s. docs/from-argocd.md and docs/from-flux.md say which words are which here", group, slipway.GroupVersion)
		}
		// Fields of another kind would be called unknown, and that is not what is wrong.
		if kind, _ := docs[0].Value["kind"].(string); kind != "" && !strings.EqualFold(kind, kindOf(v)) && kindOf(v) != "" {
			return places.Of(kind).Refuse("kind %q; want %s", kind, kindOf(v))
		}
	}
	if err := yaml.UnmarshalStrict(text, v); err != nil {
		if _, after, ok := strings.Cut(err.Error(), "unknown field "); ok {
			field := strings.Trim(after, `"`)
			return places.Of(field[strings.LastIndexByte(field, '.')+1:]).Refuse("field %q is not known here", field)
		}
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// kindOf our objects; "" where v is none.
func kindOf(v any) string {
	if _, ok := v.(runtime.Object); !ok {
		return ""
	}
	return reflect.TypeOf(v).Elem().Name()
}
