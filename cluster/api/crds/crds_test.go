package crds

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func TestDefinitions(t *testing.T) {
	defs, err := definitions()
	require.NoError(t, err)
	groups := map[string]int{}
	for _, d := range defs {
		var crd apiextensionsv1.CustomResourceDefinition
		require.NoError(t, json.Unmarshal(d.json, &crd), d.name)
		require.Equal(t, crd.Spec.Names.Plural+"."+crd.Spec.Group, d.name)
		require.Len(t, crd.Spec.Versions, 1, "%s: one version, so that nothing needs converting", d.name)
		require.True(t, crd.Spec.Versions[0].Storage && crd.Spec.Versions[0].Served, d.name)
		require.Nil(t, crd.Spec.Conversion, d.name)
		require.NotNil(t, crd.Spec.Versions[0].Schema, d.name)
		groups[crd.Spec.Group]++
	}
	require.Equal(t, 9, groups["slipway.dev"])
	require.Equal(t, 7, groups["tekton.dev"])
	require.Equal(t, 4, groups["monitoring.coreos.com"])
}
