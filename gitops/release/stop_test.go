package release

import (
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
)

// TestAPersonStopsARollout that hangs, in a hook or before it is healthy: it ends as one that
// failed, and only it.
func TestAPersonStopsARollout(t *testing.T) {
	stop := func(w *world) error { return w.r.Stop(t.Context(), "default", "hello", "ada") }
	for name, stuck := range map[string]func(w *world){
		"hook":    func(w *world) { w.cluster.result["slow"] = "runs" },
		"rollout": func(w *world) { w.cluster.health["v2"] = "InProgress" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.desire("c1", 1)
			w.settle()
			require.ErrorContains(t, stop(w), "application hello: no release is rolling out")
			w.r.Renderer = set("ConfigMap v2", "Pod slow hook=PreSync", "Pod undo hook=SyncFail")
			stuck(w)
			w.desire("c2", 2)
			w.settle()
			require.Equal(t, v1alpha1.ReleaseProgressing, w.release(2).Status.Result)

			require.NoError(t, stop(w))
			w.settle()
			rel, app := w.release(2), w.app()
			require.Equal(t, v1alpha1.ReleaseFailed, rel.Status.Result)
			require.Contains(t, rel.Status.Reason, "stopped by ada")
			require.Equal(t, "Healthy/Failed", app.Status.Health+"/"+app.Status.Sync)
			require.EqualValues(t, 1, app.Status.Current)
			if name == "hook" {
				require.NotContains(t, w.cluster.hooks, "slow", "what still ran is ended")
			}
			require.Contains(t, w.cluster.made, "2/undo")
			require.ErrorContains(t, stop(w), "nothing to stop")

			// It is not tried again by itself; asked to, it may go on to its end.
			w.settle()
			require.EqualValues(t, 2, w.app().Status.Last)
			clear(w.cluster.result)
			clear(w.cluster.health)
			require.NoError(t, w.r.Retry(t.Context(), "default", "hello"))
			w.settle()
			require.Equal(t, v1alpha1.ReleaseHealthy, w.release(3).Status.Result)
		})
	}
}
