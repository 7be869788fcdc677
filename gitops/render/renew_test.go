package render

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A digest that was written back does not keep a newer one from being released.
func TestDigestsThatWereWrittenBackAreRenewed(t *testing.T) {
	dir := write(t, map[string]string{"deploy/a.yaml": deployment})
	req := request()
	req.Renew = true
	set, err := renderDir(t, dir, req)
	require.NoError(t, err)
	require.NotContains(t, string(set.Bytes()), "sha256:aa")
	require.Equal(t, 3, strings.Count(string(set.Bytes()), "default/hello@sha256:1234"))

	dir = write(t, map[string]string{
		"deploy/kustomization.yaml": "resources: [a.yaml]\nimages: [{name: registry.slipway.internal/default/hello, newTag: v1, digest: \"sha256:bb\"}]\n",
		"deploy/a.yaml":             strings.ReplaceAll(deployment, "@sha256:aa", ""),
	})
	set, err = renderDir(t, dir, req)
	require.NoError(t, err)
	require.NotContains(t, string(set.Bytes()), "sha256:bb")
}
