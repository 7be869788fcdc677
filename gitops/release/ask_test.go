package release

import (
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
)

// Whoever asks for what is not there is told what that is, and what to do.
func TestSyncOfARepositoryThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.desire("c1", 1)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Sync, s.Source.Repository = "manual", "lab" })
	require.ErrorContains(t, w.r.Sync(t.Context(), "default", "hello", "ada"), "application hello: repository lab is not there; push to it, or `slipway repo add lab`")
}
