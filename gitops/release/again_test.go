package release

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/api/v1alpha1"
)

// abroad is a world whose application is in another cluster.
func abroad(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.desire("c1", 1)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Cluster = &v1alpha1.ClusterReference{KubeconfigSecret: "far"} })
	return w
}

// wait lets time go by, in which looks may fail, as they do while a cluster is away.
func (w *world) wait(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(backstop) {
		_, _ = w.reconcile()
	}
}

var nobody = &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "far.example", IsNotFound: true}}

func TestWhatFailedOnTheWayToAClusterIsTriedAgainWhenThatAnswers(t *testing.T) {
	w := abroad(t)
	w.cluster.away = nobody
	w.wait(20 * time.Minute)
	rel := w.release(1)
	require.Equal(t, v1alpha1.ReleaseFailed, rel.Status.Result)
	require.Contains(t, rel.Status.Reason, "no such host")
	require.EqualValues(t, 1, rel.Status.Unreached)
	require.EqualValues(t, 1, w.app().Status.Last, "one try while nobody answers")
	require.Equal(t, "Failed/Unknown", w.app().Status.Sync+"/"+w.app().Status.Health)
	require.Contains(t, w.app().Status.Message, "it is tried again by itself when the cluster answers")
	require.NotNil(t, rel.Status.FinishedAt, "who waits for it is told")
	writes := w.writes
	w.wait(10 * time.Minute)
	require.Equal(t, writes, w.writes, "what is known is not written again")

	w.cluster.away = nil
	for range 3 {
		_, err := w.reconcile()
		require.NoError(t, err)
	}
	w.settle()
	require.Equal(t, v1alpha1.ReleaseHealthy, w.release(2).Status.Result)
	require.Equal(t, "c1", w.release(2).Spec.Desired.Commit)
	require.NotNil(t, w.release(1).Status.FinishedAt)
	require.Nil(t, w.app().Status.Refused)
	require.Equal(t, []string{"v1"}, w.cluster.applied)
}

// One that comes and goes is tried less and less often.
func TestAClusterThatComesAndGoesDoesNotFillTheHistory(t *testing.T) {
	w := abroad(t)
	w.cluster.refuse, w.cluster.lost = "kubeconfig cannot be read", true
	tries := map[int64]time.Time{}
	for end := w.now.Add(4 * time.Hour); w.now.Before(end); w.now = w.now.Add(backstop) {
		_, err := w.reconcile()
		require.NoError(t, err)
		if last := w.app().Status.Last; tries[last].IsZero() {
			tries[last] = w.now
		}
	}
	require.Contains(t, w.app().Status.Message, "it is tried again by itself when the cluster answers")
	last := w.app().Status.Last
	require.EqualValues(t, last, w.release(last).Status.Unreached)
	require.InDelta(t, 13, last, 1) // 6 within 32 minutes, then every half hour
	require.GreaterOrEqual(t, tries[last].Sub(tries[last-1]), againMost)

	// What fails for another reason is left alone from then on.
	w.cluster.refuse, w.cluster.lost = "not allowed", false
	w.wait(2 * time.Hour)
	require.EqualValues(t, last+1, w.app().Status.Last)
	require.Zero(t, w.release(last+1).Status.Unreached)
}

// What is refused there, or not healthy there, is not tried again, and neither is what failed
// on the way to this cluster, where the server is.
func TestOnlyWhatFailedOnTheWayIsTriedAgain(t *testing.T) {
	for name, set := range map[string]func(*world){
		"refused":     func(w *world) { w.cluster.refuse = "not allowed" },
		"not healthy": func(w *world) { w.cluster.health["v1"] = "Failed" },
		"at home": func(w *world) {
			w.spec(func(s *v1alpha1.ApplicationSpec) { s.Cluster = nil })
			w.cluster.refuse, w.cluster.lost = "kubeconfig cannot be read", true
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := abroad(t)
			set(w)
			w.wait(2 * time.Hour)
			require.EqualValues(t, 1, w.app().Status.Last)
			require.Zero(t, w.release(1).Status.Unreached)
			require.Equal(t, v1alpha1.ReleaseFailed, w.release(1).Status.Result)
		})
	}
}

// A pinned release whose cluster is out of reach is looked at again.
func TestAPinThatCannotReachItsClusterIsTriedAgain(t *testing.T) {
	w := abroad(t)
	w.settle()
	w.version("v2")
	w.desire("c2", 2)
	w.settle()
	w.cluster.refuse, w.cluster.lost = "kubeconfig cannot be read", true
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Pin = 1 })
	result, err := w.reconcile()
	require.NoError(t, err)
	require.Equal(t, lookAgain, result.RequeueAfter)
	require.Contains(t, w.app().Status.Message, "kubeconfig cannot be read")
}
