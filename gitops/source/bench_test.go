package source

import (
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
)

// BenchmarkCached is a rendering of what did not change since.
func BenchmarkCached(b *testing.B) {
	w := newWorld(b)
	w.cached(b.TempDir())
	w.commits["c1"] = chartFiles
	source := v1alpha1.Source{Repository: "shop"}
	set, err := w.render(source, "c1")
	require.NoError(b, err)
	w.sets[set.Digest()] = set
	for b.Loop() {
		_, err := w.render(source, "c1")
		require.NoError(b, err)
	}
	require.Equal(b, 1, w.renders)
}
