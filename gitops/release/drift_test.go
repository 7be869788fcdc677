package release

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"

	"slipway.dev/cluster/api/v1alpha1"
)

// settled is a world with one healthy release whose object is "v1".
func settledWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.cluster.drifted = map[string][]string{}
	w.desire("c1", 1)
	w.settle()
	require.Equal(t, "Healthy/Synced", w.app().Status.Health+"/"+w.app().Status.Sync)
	return w
}

func (w *world) options(change func(*v1alpha1.SyncOptions)) {
	w.spec(func(s *v1alpha1.ApplicationSpec) {
		if s.SyncOptions == nil {
			s.SyncOptions = &v1alpha1.SyncOptions{}
		}
		change(s.SyncOptions)
	})
}

func TestDriftIsPutRight(t *testing.T) {
	w := settledWorld(t)
	w.cluster.drifted["v1"] = []string{".data.a"}
	w.settle()
	require.Equal(t, []string{"v1", "v1"}, w.cluster.applied)
	app := w.app()
	require.Len(t, app.Status.Drift, 1)
	require.Equal(t, []any{true, int32(1), []string{".data.a"}, []string{"somebody"}},
		[]any{app.Status.Drift[0].Healed, app.Status.Drift[0].Count, app.Status.Drift[0].Fields, app.Status.Drift[0].Managers})
	require.Equal(t, "Healthy/Synced", app.Status.Health+"/"+app.Status.Sync)
	require.False(t, meta.IsStatusConditionTrue(app.Status.Conditions, conditionDrifted))
	require.EqualValues(t, 1, app.Status.Last, "it is no release")

	// Only what somebody manages with us, or a field that is theirs: nothing to see.
	w.cluster.drifted["v1"] = nil
	w.settle()
	require.Len(t, w.cluster.applied, 3, "what is owned is noted again")
	require.EqualValues(t, 1, w.app().Status.Drift[0].Count)

	// One that was deleted.
	w.cluster.health["v1"], w.cluster.drifted["v1"] = "NotFound", nil
	w.settle()
	require.Equal(t, "Healthy", w.app().Status.Health)
	require.True(t, w.app().Status.Drift[0].Missing)

	// It is forgotten after a while, and with the next release.
	w.pass(20 * time.Minute)
	require.Empty(t, w.app().Status.Drift)
}

func TestDriftIsReportedOnly(t *testing.T) {
	w := settledWorld(t)
	w.options(func(o *v1alpha1.SyncOptions) { o.Drift = "report" })
	w.cluster.drifted["v1"] = []string{".data.a"}
	w.settle()
	w.settle()
	app := w.app()
	require.Equal(t, []string{"v1"}, w.cluster.applied)
	require.Equal(t, "Healthy/OutOfSync", app.Status.Health+"/"+app.Status.Sync)
	require.Equal(t, "ConfigMap/v1: .data.a was changed by somebody", app.Status.Message)
	require.True(t, meta.IsStatusConditionTrue(app.Status.Conditions, conditionDrifted))
	require.EqualValues(t, 1, app.Status.Drift[0].Count)

	// A person asks: it is put right now, and only reported the next time.
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Sync = "pipeline" })
	require.NoError(t, w.r.Sync(t.Context(), "default", "hello", "ada"))
	w.settle()
	require.Equal(t, []string{"v1", "v1"}, w.cluster.applied)
	require.Equal(t, "Synced", w.app().Status.Sync)
	w.cluster.drifted["v1"] = []string{".data.b"}
	w.settle()
	require.Equal(t, []string{"v1", "v1"}, w.cluster.applied)

	// Whoever changed it changes it back.
	delete(w.cluster.drifted, "v1")
	w.settle()
	require.Equal(t, "Synced", w.app().Status.Sync)
	require.Empty(t, w.app().Status.Drift)
}

// TestAChangedSpecIsLookedAtAsAWhole: fields that were left to others may be ours now,
// and nobody changes them to be seen.
func TestAChangedSpecIsLookedAtAsAWhole(t *testing.T) {
	w := settledWorld(t)
	app := w.app()
	app.Generation++
	require.NoError(t, w.client.Update(t.Context(), app))
	w.settle()
	require.Equal(t, []string{"v1", "v1"}, w.cluster.applied)
	require.Empty(t, w.app().Status.Drift, "nothing differed")
	w.settle()
	require.Len(t, w.cluster.applied, 2, "once")

	// So is what a server of an older version applied.
	app = w.app()
	app.Status.Inventory[0].Owned = ""
	require.NoError(t, w.client.Status().Update(t.Context(), app))
	w.settle()
	w.settle()
	require.Len(t, w.cluster.applied, 3)
	require.NotEmpty(t, w.app().Status.Inventory[0].Owned)
}

// TestAFightIsNotFoughtAtFullSpeed: another controller sets the same field back each
// time, at once.
func TestAFightIsNotFoughtAtFullSpeed(t *testing.T) {
	w := settledWorld(t)
	recorder := events.NewFakeRecorder(1000)
	w.r.Events = recorder
	heals := func() int { return len(w.cluster.applied) - 1 }
	fight := func(d time.Duration) {
		t.Helper()
		for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(time.Second) {
			w.cluster.drifted["v1"] = []string{".spec.replicas"}
			_, err := w.reconcile()
			require.NoError(t, err)
		}
	}
	fight(5 * time.Second)
	require.Equal(t, freeHeals, heals())
	app := w.app()
	require.Equal(t, "OutOfSync", app.Status.Sync)
	require.Contains(t, app.Status.Message, "ConfigMap/v1: .spec.replicas was changed by somebody, 4 times since")
	require.Contains(t, app.Status.Message, "it is put right at most every 10s now: stop whoever does it, or name the fields in spec.ignoreDifferences")
	require.True(t, meta.IsStatusConditionTrue(app.Status.Conditions, conditionContested))
	fight(10 * time.Minute)
	require.LessOrEqual(t, heals(), freeHeals+7, "10, 20, 40 s … apart")
	require.Greater(t, heals(), freeHeals+3)
	told := ""
	for len(recorder.Events) > 0 {
		told += <-recorder.Events + "\n"
	}
	require.Contains(t, told, "Warning DriftContested ConfigMap/v1: .spec.replicas was changed by somebody")

	// A person who knows better is not held up.
	before := heals()
	w.cluster.drifted["v1"] = []string{".spec.replicas"}
	w.settle()
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Sync = "pipeline" })
	require.NoError(t, w.r.Sync(t.Context(), "default", "hello", "ada"))
	w.settle()
	require.Equal(t, before+1, heals())

	// The other gives up: the application says so until it has been quiet, and then no more.
	delete(w.cluster.drifted, "v1")
	w.settle()
	require.Equal(t, "Synced", w.app().Status.Sync)
	require.True(t, meta.IsStatusConditionTrue(w.app().Status.Conditions, conditionContested))
	w.pass(30 * time.Minute)
	require.Nil(t, meta.FindStatusCondition(w.app().Status.Conditions, conditionContested))
	require.Empty(t, w.app().Status.Drift)
}

func TestPodsRestartWithConfigurationOutsideTheSet(t *testing.T) {
	w := newWorld(t)
	w.cluster.drifted = map[string][]string{}
	w.cluster.config = "one"
	w.desire("c1", 1)
	w.settle()
	w.options(func(o *v1alpha1.SyncOptions) { o.RestartOnConfigChange = true })
	w.version("v2")
	w.desire("c2", 2)
	w.settle()
	require.Equal(t, []v1alpha1.ConfigReference{{Kind: "ConfigMap", Name: "outside", Fingerprint: "one"}}, w.app().Status.References)
	require.Equal(t, []string{"v1", "v2"}, w.cluster.applied)
	w.cluster.config = "two"
	w.settle()
	require.Equal(t, []string{"v1", "v2", "v2"}, w.cluster.applied)
	require.Equal(t, "two", w.app().Status.References[0].Fingerprint)
	require.EqualValues(t, 2, w.app().Status.Last)
	seal, err := w.r.Store.Seal(t.Context())
	require.NoError(t, err)
	other, err := w.r.Store.Seal(t.Context())
	require.NoError(t, err)
	require.Equal(t, seal([]byte("a")), other([]byte("a")))
	require.NotEqual(t, seal([]byte("a")), seal([]byte("b")))
}

func TestPruneIsOffOrWaitsForAWord(t *testing.T) {
	w := settledWorld(t)
	w.options(func(o *v1alpha1.SyncOptions) { o.Prune = ptr.To(false) })
	w.version("v2")
	w.desire("c2", 2)
	w.settle()
	require.Empty(t, w.cluster.pruned)
	require.Equal(t, "OutOfSync", w.app().Status.Sync)
	require.Equal(t, "no longer in the set, and pruning is off: ConfigMap/v1", w.app().Status.Message)
	require.Equal(t, v1alpha1.ReleaseHealthy, w.release(2).Status.Result)

	w.cluster.confirm["v1"] = true
	w.options(func(o *v1alpha1.SyncOptions) { o.Prune = nil })
	w.settle()
	require.Contains(t, w.app().Status.Message, "`slipway app sync --prune` agrees to delete ConfigMap/v1")
	require.Empty(t, w.cluster.pruned)

	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Sync = "pipeline" })
	require.NoError(t, w.r.SyncWith(t.Context(), "default", "hello", "ada", Ask{Prune: ptr.To(true)}))
	w.settle()
	require.Equal(t, []string{"v1"}, w.cluster.pruned)
	require.Equal(t, "Synced", w.app().Status.Sync)
	require.Len(t, w.app().Status.Inventory, 1)

	// And for one synchronisation only.
	w.version("v3")
	require.NoError(t, w.r.SyncWith(t.Context(), "default", "hello", "ada", Ask{Prune: ptr.To(false)}))
	w.settle()
	require.EqualValues(t, 3, w.app().Status.Last)
	require.Equal(t, []string{"v1"}, w.cluster.pruned)
	require.Len(t, w.app().Status.Inventory, 2)
	require.NoError(t, w.r.Sync(t.Context(), "default", "hello", "ada"))
	w.settle()
	require.Equal(t, []string{"v1", "v2"}, w.cluster.pruned)
}

// TestTheWordToPruneIsNotKept for what leaves the set later.
func TestTheWordToPruneIsNotKept(t *testing.T) {
	w := settledWorld(t)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Sync = "pipeline" })
	agree := func() {
		require.NoError(t, w.r.SyncWith(t.Context(), "default", "hello", "ada", Ask{Prune: ptr.To(true)}))
	}
	waits := func(old, set, commit string, sequence int64) {
		w.cluster.confirm[old] = true
		w.version(set)
		w.desire(commit, sequence)
		w.settle()
		require.Empty(t, w.cluster.pruned)
		require.Contains(t, w.app().Status.Message, "`slipway app sync --prune` agrees to delete ConfigMap/"+old)
	}
	agree() // nothing waits for it
	w.settle()
	waits("v1", "v2", "c2", 2)

	w = settledWorld(t)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Sync = "pipeline" })
	w.desire("c1b", 2)
	agree() // together with a release that leaves nothing behind
	w.settle()
	require.EqualValues(t, 2, w.app().Status.Healthy)
	waits("v1", "v2", "c2", 3)
}

func TestAPartOfASetIsARelease(t *testing.T) {
	w := newWorld(t)
	old := set("ConfigMap a", "ConfigMap b", "Pod hook hook=PreSync")
	w.r.Renderer = old
	w.desire("c1", 1)
	w.settle()
	next := set("ConfigMap a new=yes", "ConfigMap b new=yes", "ConfigMap c", "Pod hook hook=PreSync")
	w.r.Renderer = next
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Sync = "pipeline" })
	require.ErrorContains(t, w.r.SyncWith(t.Context(), "default", "hello", "ada", Ask{Only: []string{"a"}}), "want Kind/name")
	require.NoError(t, w.r.SyncWith(t.Context(), "default", "hello", "ada", Ask{Only: []string{"configmap/A", "ConfigMap/c"}}))
	w.settle()
	rel := w.release(2)
	require.Equal(t, v1alpha1.ReleaseHealthy, rel.Status.Result, rel.Status.Reason)
	part, err := w.r.load(t.Context(), w.app(), rel)
	require.NoError(t, err)
	var got []string
	for _, o := range part.Objects {
		got = append(got, fmt.Sprint(o.GetName(), " ", o.GetAnnotations()["argocd.argoproj.io/new"]))
	}
	require.Equal(t, []string{"a yes", "b ", "c ", "hook "}, got)
	require.Equal(t, []string{"1/hook"}, w.cluster.made, "no hooks for a part")
	require.Equal(t, "OutOfSync", w.app().Status.Sync)
	require.Contains(t, w.app().Status.Message, "release 2 has only configmap/A, ConfigMap/c of commit c1; sync without --only for the rest")

	require.NoError(t, w.r.Sync(t.Context(), "default", "hello", "ada"))
	w.settle()
	require.EqualValues(t, 3, w.app().Status.Healthy)
	require.Equal(t, "Synced", w.app().Status.Sync)
	require.Equal(t, []string{"1/hook", "3/hook"}, w.cluster.made)

	require.NoError(t, w.r.SyncWith(t.Context(), "default", "hello", "ada", Ask{Only: []string{"ConfigMap/typo"}}))
	w.settle()
	require.Equal(t, "no object ConfigMap/typo in the set; it has ConfigMap/a, ConfigMap/b, ConfigMap/c, Pod/hook", w.release(4).Status.Reason)

	w.cluster.drifted = map[string][]string{"a": {".data"}}
	text, err := w.r.Preview(t.Context(), "default", "hello", Ask{Only: []string{"ConfigMap/a"}})
	require.NoError(t, err)
	require.Equal(t, "configured ConfigMap/a\n", text)
	w.cluster.refuse = "no"
	_, err = w.r.Preview(t.Context(), "default", "hello", Ask{})
	require.ErrorContains(t, err, "application hello: no")
}

func TestDeletionPrunesOrLeaves(t *testing.T) {
	for _, c := range []struct {
		spec         string
		cascade      *bool
		pruned, left string
	}{
		{"", nil, "[hook v1]", "[]"}, {"orphan", nil, "[]", "[v1 hook]"}, {"", ptr.To(false), "[]", "[v1 hook]"}, {"orphan", ptr.To(true), "[hook v1]", "[]"},
	} {
		w := newWorld(t)
		w.r.Renderer = set("ConfigMap v1", "Pod hook hook=PreSync")
		w.desire("c1", 1)
		w.settle()
		w.spec(func(s *v1alpha1.ApplicationSpec) { s.Deletion = c.spec })
		require.NoError(t, w.r.Delete(t.Context(), "default", "hello", c.cascade, "ada"))
		_, err := w.reconcile()
		require.NoError(t, err)
		require.Equal(t, []string{c.pruned, c.left}, []string{fmt.Sprint(w.cluster.pruned), fmt.Sprint(w.cluster.left)})
		require.Error(t, w.client.Get(t.Context(), keyOf("hello"), &v1alpha1.Application{}))
	}
	// Objects in a cluster that is away are waited for, unless they stay.
	w := settledWorld(t)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Cluster = &v1alpha1.ClusterReference{KubeconfigSecret: "far"} })
	w.cluster.away = fmt.Errorf("no route to host")
	require.NoError(t, w.r.Delete(t.Context(), "default", "hello", nil, "ada"))
	_, err := w.reconcile()
	require.ErrorContains(t, err, "to leave the objects there, set spec.deletion to orphan")
	require.Contains(t, w.app().Status.Message, "no route to host")
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Deletion = "orphan" })
	_, err = w.reconcile()
	require.NoError(t, err)
	require.Error(t, w.client.Get(t.Context(), keyOf("hello"), &v1alpha1.Application{}))
}

func TestFieldsTakenFromOthersAreKeptWithTheRelease(t *testing.T) {
	w := newWorld(t)
	recorder := events.NewFakeRecorder(100)
	w.r.Events = recorder
	w.cluster.taken = []v1alpha1.FieldConflict{{Object: "Deployment/web", Manager: "kubectl-edit", Fields: []string{".spec.replicas"}}}
	w.desire("c1", 1)
	w.settle()
	require.Equal(t, w.cluster.taken, w.release(1).Status.Conflicts)
	told := ""
	for len(recorder.Events) > 0 {
		told += <-recorder.Events + "\n"
	}
	require.Contains(t, told, `FieldsTaken release 1 takes fields from others: Deployment/web: "kubectl-edit" manages .spec.replicas`)
}
