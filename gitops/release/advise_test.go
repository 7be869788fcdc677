package release

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestPoliciesThatNobodyEnforcesAreNamed(t *testing.T) {
	w := newWorld(t)
	recorder := events.NewFakeRecorder(100)
	w.r.Events, w.r.PoliciesIgnored = recorder, true
	f := set("ConfigMap v1", "NetworkPolicy deny")
	f.objects[1].SetAPIVersion("networking.k8s.io/v1")
	w.r.Renderer = f
	w.desire("c1", 1)
	w.settle()
	c := meta.FindStatusCondition(w.app().Status.Conditions, conditionUnenforced)
	require.NotNil(t, c)
	require.Equal(t, "this cluster enforces no network policies (--network-policies=false): [deny] are kept and change nothing", c.Message)
	require.Equal(t, v1alpha1.ReleaseHealthy, w.release(1).Status.Result)
	said := ""
	for len(recorder.Events) > 0 {
		said += <-recorder.Events
	}
	require.Contains(t, said, "Warning NetworkPolicyNotEnforced")

	w.r.PoliciesIgnored = false
	w.desire("c2", 2)
	w.settle()
	require.Nil(t, meta.FindStatusCondition(w.app().Status.Conditions, conditionUnenforced))
}
