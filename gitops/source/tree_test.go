package source

import (
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
)

// TestOwnDirectory: an application's directory alone is checked out where it is enough,
// and what is rendered, or refused, is the same as of the whole commit.
func TestOwnDirectory(t *testing.T) {
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
	for name, tc := range map[string]struct {
		files     map[string]string
		source    v1alpha1.Source
		checkouts []string
		refused   string
	}{
		"plain":         {files: map[string]string{"a/x/c.yaml": config, "b/big": "1"}, source: v1alpha1.Source{Path: "a/x"}, checkouts: []string{"a/x"}},
		"default":       {files: map[string]string{"deploy/c.yaml": config, "b/big": "1"}, checkouts: []string{"deploy"}},
		"root":          {files: map[string]string{"c.yaml": config}, source: v1alpha1.Source{Path: "."}, checkouts: []string{""}},
		"kustomize":     {files: map[string]string{"a/kustomization.yaml": "resources: [c.yaml]", "a/c.yaml": config}, source: v1alpha1.Source{Path: "a"}, checkouts: []string{"a"}},
		"base":          {files: map[string]string{"a/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [c.yaml]", "b/c.yaml": config}, source: v1alpha1.Source{Path: "a"}, checkouts: []string{"a", ""}},
		"link":          {files: map[string]string{"a/c.yaml": "-> ../b/c.yaml", "b/c.yaml": config}, source: v1alpha1.Source{Path: "a"}, checkouts: []string{""}},
		"missing":       {files: map[string]string{"b/c.yaml": config}, source: v1alpha1.Source{Path: "a"}, checkouts: []string{""}, refused: `directory "a" is not in the commit`},
		"broken":        {files: map[string]string{"a/c.yaml": "{"}, source: v1alpha1.Source{Path: "a"}, checkouts: []string{"a", ""}, refused: "a/c.yaml"},
		"beyond":        {files: map[string]string{"c.yaml": config}, source: v1alpha1.Source{Path: "../x"}, checkouts: []string{""}, refused: "leaves the repository"},
		"common values": {files: map[string]string{"a/Chart.yaml": "apiVersion: v2\nname: a\nversion: 1.0.0\n", "a/templates/c.yaml": config, "common.yaml": "a: 1"}, source: v1alpha1.Source{Path: "a", Helm: &v1alpha1.Helm{ValueFiles: []string{"/common.yaml"}}}, checkouts: []string{""}},
		"chart":         {files: map[string]string{"a/Chart.yaml": "apiVersion: v2\nname: a\nversion: 1.0.0\n", "a/templates/c.yaml": config, "b/c": "1"}, source: v1alpha1.Source{Path: "a"}, checkouts: []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.cached(t.TempDir())
			w.commits["c1"] = tc.files
			tc.source.Repository = "shop"
			set, err := w.render(tc.source, "c1")
			if tc.refused != "" {
				require.ErrorContains(t, err, tc.refused)
			} else {
				require.NoError(t, err)
				require.Len(t, set.Objects, 1)
			}
			require.Equal(t, tc.checkouts, w.checkouts)
		})
	}
}
