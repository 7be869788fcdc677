package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

func TestParseYAML(t *testing.T) {
	const good = "apiVersion: slipway.dev/v1alpha1\nkind: ApplicationSet\nmetadata: {name: x}\nspec:\n  repository: r\n  generators:\n  - branches: {}\n  template: {name: a, spec: {}}\n"
	var set slipway.ApplicationSet
	require.NoError(t, parseYAML("s.yaml", []byte(good), &set))
	require.Equal(t, "r", set.Spec.Repository)
	require.NoError(t, parseYAML("s.json", []byte(`{"spec":{"repository":"q"}}`), &set))
	for text, want := range map[string]string{
		"spec:\n\trepository: r\n":                                                  "s.yaml:2:1: a tab indents this line; YAML takes spaces only",
		"kind: ApplicationSet\nspec:\n  generators:\n  - git: {}\n":                 `s.yaml:4:5: field "git" is not known here`,
		"apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\n":                  `s.yaml:1:13: apiVersion "argoproj.io/v1alpha1"; want slipway.dev/v1alpha1. docs/from-argocd.md`,
		"apiVersion: slipway.dev/v1alpha1\nkind: Application\nspec: {sync: push}\n": `s.yaml:2:7: kind "Application"; want ApplicationSet`,
		good + "---\n" + good:                                                       "s.yaml:10: more than one document",
		"spec: {limit: x}\n":                                                        "s.yaml: ",
	} {
		var set slipway.ApplicationSet
		require.ErrorContains(t, parseYAML("s.yaml", []byte(text), &set), want)
	}
}
