package release

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// named is the application of that name, made by create where it is not there.
func (w *world) named(name string) *v1alpha1.Application {
	w.t.Helper()
	app := &v1alpha1.Application{}
	require.NoError(w.t, w.client.Get(context.Background(), types.NamespacedName{Namespace: "default", Name: name}, app))
	return app
}

func (w *world) create(name string, spec v1alpha1.ApplicationSpec) {
	w.t.Helper()
	if spec.Source.Repository == "" {
		spec.Source.Repository = "hello"
	}
	require.NoError(w.t, w.client.Create(context.Background(), &v1alpha1.Application{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}, Spec: spec,
	}))
}

func (w *world) edit(name string, change func(*v1alpha1.ApplicationSpec)) {
	w.t.Helper()
	app := w.named(name)
	change(&app.Spec)
	require.NoError(w.t, w.client.Update(context.Background(), app))
}

// settleAll reconciles all of them, in that order, until nothing changes.
func (w *world) settleAll(names ...string) {
	w.t.Helper()
	for range 60 {
		before := w.writes
		for _, n := range names {
			_, err := w.r.Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: n}})
			require.NoError(w.t, err)
		}
		if w.writes == before {
			return
		}
	}
	w.t.Fatal("never settles")
}

func desired(commit string, sequence int64) *v1alpha1.Desired {
	return &v1alpha1.Desired{Commit: commit, Sequence: sequence}
}

func needs(names ...string) v1alpha1.Lifecycle { return v1alpha1.Lifecycle{Needs: names} }

func TestReleaseWaitsForWhatItNeeds(t *testing.T) {
	w := newWorld(t)
	w.create("web", v1alpha1.ApplicationSpec{Desired: desired("c1", 1), Lifecycle: needs("api")})
	shown := func(reason, message string) {
		t.Helper()
		app := w.named("web")
		require.Zero(t, app.Status.Last)
		require.NotNil(t, app.Status.Waiting)
		require.Equal(t, reason, app.Status.Waiting.Reason)
		require.Contains(t, app.Status.Waiting.Message, message)
		require.Equal(t, app.Status.Waiting.Message, app.Status.Message)
		require.True(t, meta.IsStatusConditionFalse(app.Status.Conditions, v1alpha1.ConditionNeedsMet))
	}
	w.settleAll("web")
	shown("Needs", "commit c1 waits for application api, which does not exist")

	w.create("api", v1alpha1.ApplicationSpec{Source: v1alpha1.Source{Path: "bad"}})
	w.settleAll("web", "api")
	shown("Needs", "application api, which has nothing desired yet")

	w.edit("api", func(s *v1alpha1.ApplicationSpec) { s.Desired = desired("c1", 1) })
	w.settleAll("web", "api")
	shown("Needs", "application api, which is not at commit c1 yet (release 1 failed: deploy/a.yaml:3")

	w.edit("api", func(s *v1alpha1.ApplicationSpec) { s.Source.Path, s.Retry = "deploy", "again" })
	w.settleAll("web", "api")
	app := w.named("web")
	require.EqualValues(t, 1, app.Status.Healthy)
	require.Nil(t, app.Status.Waiting)
	require.True(t, meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ConditionNeedsMet))

	// Both are pushed to: the needed one first, and what needs it after that.
	w.cluster.health["v2"] = "InProgress"
	w.version("v2")
	w.edit("api", func(s *v1alpha1.ApplicationSpec) { s.Desired = desired("c2", 2) })
	w.edit("web", func(s *v1alpha1.ApplicationSpec) { s.Desired = desired("c2", 2) })
	w.settleAll("web", "api")
	app = w.named("web")
	require.EqualValues(t, 1, app.Status.Last, "it does not begin before the needed one is healthy")
	require.Equal(t, []string{"api"}, app.Status.Waiting.For)
	require.Equal(t, "Healthy", app.Status.Health, "what runs goes on")
	delete(w.cluster.health, "v2")
	w.settleAll("web", "api")
	require.EqualValues(t, 2, w.named("web").Status.Healthy)

	// A pin of the needed one holds it back too, and its deletion is said.
	w.edit("api", func(s *v1alpha1.ApplicationSpec) { s.Pin = 1 })
	w.edit("web", func(s *v1alpha1.ApplicationSpec) { s.Desired = desired("c3", 3) })
	w.settleAll("web", "api")
	require.Contains(t, w.named("web").Status.Message, "api, which is pinned to release 1")
	require.NoError(t, w.client.Delete(context.Background(), w.named("api")))
	w.settleAll("web")
	require.Contains(t, w.named("web").Status.Message, "api, which is being deleted")
	w.settleAll("api", "web")
	require.Contains(t, w.named("web").Status.Message, "api, which does not exist")

	// Without the need it goes on.
	w.edit("web", func(s *v1alpha1.ApplicationSpec) { s.Needs = nil })
	w.settleAll("web")
	app = w.named("web")
	require.EqualValues(t, 3, app.Status.Healthy)
	require.Nil(t, meta.FindStatusCondition(app.Status.Conditions, v1alpha1.ConditionNeedsMet))
}

func TestCycleOfNeedsIsSaidAndNothingBegins(t *testing.T) {
	w := newWorld(t)
	w.create("a", v1alpha1.ApplicationSpec{Desired: desired("c1", 1), Lifecycle: needs("b")})
	w.create("b", v1alpha1.ApplicationSpec{Desired: desired("c1", 1), Lifecycle: needs("c")})
	w.create("c", v1alpha1.ApplicationSpec{Desired: desired("c1", 1), Lifecycle: needs("a")})
	w.settleAll("a", "b", "c")
	for name, cycle := range map[string]string{"a": "a b c a", "b": "b c a b", "c": "c a b c"} {
		app := w.named(name)
		require.Zero(t, app.Status.Last)
		require.Equal(t, "Cycle", app.Status.Waiting.Reason)
		require.Equal(t, cycle, strings.Join(app.Status.Waiting.For, " "))
		require.Contains(t, app.Status.Message, "needs form a cycle: "+strings.ReplaceAll(cycle, " ", " -> "))
	}
	_, err := (&Deployer{Client: w.client}).Wait(context.Background(), "default", "a", *desired("c1", 1), &strings.Builder{})
	require.ErrorContains(t, err, "needs form a cycle", "a deploy job does not wait for what never comes")
	w.edit("c", func(s *v1alpha1.ApplicationSpec) { s.Needs = nil })
	w.settleAll("a", "b", "c")
	require.EqualValues(t, 1, w.named("a").Status.Healthy)
}

func TestPushGivesTheNeededOneItsValueFirst(t *testing.T) {
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "hello"}, Status: v1alpha1.RepositoryStatus{
		DefaultBranch: "main", Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c1", Sequence: 1, By: "ann"}},
	}}
	w := newWorld(t, repo)
	w.create("a-web", v1alpha1.ApplicationSpec{Sync: "push", Lifecycle: needs("z-db")})
	w.create("z-db", v1alpha1.ApplicationSpec{Sync: "push"})
	s := &SyncOnPush{Client: w.client, Reader: w.client, Log: w.r.Log}
	w.failAt = w.writes + 2 // the server dies after one of the two
	_, err := s.Reconcile(context.Background(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(repo)})
	require.ErrorIs(t, err, errKilled)
	require.Nil(t, w.named("a-web").Spec.Desired)
	got := w.named("z-db").Spec.Desired
	require.Equal(t, "c1 by ann: push", got.Commit+" by "+got.By+": "+got.Cause)
}

func TestWindows(t *testing.T) {
	monday := time.Date(2026, 3, 2, 20, 0, 0, 0, time.UTC)
	office := v1alpha1.Window{Kind: "allow", Schedule: "0 9 * * 1-5", Duration: metav1.Duration{Duration: 8 * time.Hour}}
	w := newWorld(t)
	w.now = monday
	w.create("hello", v1alpha1.ApplicationSpec{Sync: "pipeline", Desired: desired("c1", 1), Lifecycle: v1alpha1.Lifecycle{Windows: []v1alpha1.Window{office}}})
	w.settle()
	app := w.app()
	require.Zero(t, app.Status.Last)
	require.Equal(t, "commit c1 waits until 2026-03-03 09:00 UTC: no allow window is open", app.Status.Message)
	require.True(t, app.Status.Waiting.Until.Equal(&metav1.Time{Time: monday.Add(13 * time.Hour)}))
	result, err := w.reconcile()
	require.NoError(t, err)
	require.Equal(t, clockStep, result.RequeueAfter)
	w.now = monday.Add(13*time.Hour - time.Minute)
	result, err = w.reconcile()
	require.NoError(t, err)
	require.Equal(t, time.Minute, result.RequeueAfter)

	// A person may not, as the window does not let them; then it does.
	require.NoError(t, w.r.Sync(context.Background(), "default", "hello", "ann"))
	w.settle()
	require.Zero(t, w.app().Status.Last)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Windows[0].Manual = true })
	w.settle()
	require.EqualValues(t, 1, w.app().Status.Healthy)

	// The next value waits again, whoever asked for the one before, until the window opens.
	w.desire("c2", 2)
	w.settle()
	require.EqualValues(t, 1, w.app().Status.Last)
	require.Equal(t, "Healthy/OutOfSync", w.app().Status.Health+"/"+w.app().Status.Sync)
	w.now = monday.Add(13 * time.Hour)
	w.version("v2")
	w.cluster.health["v2"] = "InProgress"
	w.settle()
	require.EqualValues(t, 2, w.app().Status.Last)

	// The window closes on a rollout: it goes on, and is not interrupted by what waits.
	w.now = w.now.Add(8 * time.Hour)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.HealthDeadline = &metav1.Duration{Duration: 24 * time.Hour} })
	w.desire("c3", 3)
	w.settle()
	require.Equal(t, v1alpha1.ReleaseProgressing, w.release(2).Status.Result)
	require.Equal(t, "Window", w.app().Status.Waiting.Reason)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.HealthDeadline = &metav1.Duration{Duration: time.Minute} })
	w.pass(2 * time.Minute)
	require.Equal(t, v1alpha1.ReleaseFailed, w.release(2).Status.Result)
	require.EqualValues(t, 1, w.app().Status.Current, "and it is put back outside of windows too")

	// A pin is a person's act and holds at once; windows that mean nothing let nothing through.
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Windows[0].Schedule = "at nine" })
	w.settle()
	require.Contains(t, w.app().Status.Message, `spec.windows: window 1: cron "at nine": want five fields`)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Pin = 1 })
	w.settle()
	require.Nil(t, w.app().Status.Waiting)
	require.Equal(t, "Pinned", w.app().Status.Sync)
}

func TestDeployJobDoesNotWaitForAWindow(t *testing.T) {
	w := newWorld(t)
	w.create("hello", v1alpha1.ApplicationSpec{Sync: "pipeline", Desired: desired("c1", 1), Lifecycle: v1alpha1.Lifecycle{
		Windows: []v1alpha1.Window{{Kind: "deny", Schedule: "0 0 * * *", Duration: metav1.Duration{Duration: 25 * time.Hour}}},
	}})
	w.settle()
	var said strings.Builder
	d := &Deployer{Client: w.client}
	rel, err := d.Wait(context.Background(), "default", "hello", *desired("c1", 1), &said)
	require.NoError(t, err)
	require.Nil(t, rel)
	require.Contains(t, said.String(), "waits, and no end is in sight: a deny window (0 0 * * * for 25h0m0s) is open")
}
