package release

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// sets gives the set that is told, whatever the commit.
type fixed struct{ objects []*unstructured.Unstructured }

func (fixed) Inputs(context.Context, *v1alpha1.Application) (*v1alpha1.Inputs, error) {
	return nil, nil
}

func (f fixed) Render(context.Context, *v1alpha1.Application, v1alpha1.Desired) (*render.Set, error) {
	var copies []*unstructured.Unstructured
	for _, o := range f.objects {
		copies = append(copies, o.DeepCopy())
	}
	return render.NewSet(copies)
}

// set reads objects as "Kind name key=value …" with annotations of Argo CD.
func set(texts ...string) fixed {
	var f fixed
	for _, text := range texts {
		words := strings.Fields(text)
		o := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": words[0], "metadata": map[string]any{"name": words[1], "namespace": "default"},
		}}
		notes := map[string]string{}
		for _, w := range words[2:] {
			k, v, _ := strings.Cut(w, "=")
			notes["argocd.argoproj.io/"+k] = v
		}
		if len(notes) > 0 {
			o.SetAnnotations(notes)
		}
		f.objects = append(f.objects, o)
	}
	return f
}

func (w *world) hooks(n int64) string {
	w.t.Helper()
	var out []string
	for _, h := range w.release(n).Status.Sync.Hooks {
		out = append(out, fmt.Sprintf("%s %s %s", h.Phase, h.Name, h.State))
	}
	return strings.Join(out, "; ")
}

func TestWavesBeginWhenTheOneBeforeIsHealthy(t *testing.T) {
	w := newWorld(t)
	w.r.Renderer = set("ConfigMap last sync-wave=2", "ConfigMap first sync-wave=-1", "ConfigMap middle")
	w.cluster.health["first"] = "InProgress"
	w.desire("c1", 1)
	w.settle()
	require.Equal(t, []string{"first"}, w.cluster.applied)
	require.Contains(t, w.app().Status.Message, "release 1 is rolling out: wave -1: ConfigMap/first: not ready")
	require.Len(t, w.app().Status.Inventory, 3, "all of it is known before any is there")

	delete(w.cluster.health, "first")
	w.cluster.health["middle"] = "InProgress"
	w.settle()
	require.Equal(t, []string{"first", "middle"}, w.cluster.applied)

	// What an earlier wave brought must stay healthy.
	delete(w.cluster.health, "middle")
	w.cluster.health["first"] = "InProgress"
	w.settle()
	require.Equal(t, []string{"first", "middle"}, w.cluster.applied)
	delete(w.cluster.health, "first")
	w.settle()
	require.Equal(t, []string{"first", "middle", "last"}, w.cluster.applied)
	require.Equal(t, v1alpha1.ReleaseHealthy, w.release(1).Status.Result)
	require.Equal(t, "Healthy/Synced", w.app().Status.Health+"/"+w.app().Status.Sync)
}

func TestEachWaveHasTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.r.Renderer = set("ConfigMap first", "ConfigMap second sync-wave=1")
	w.cluster.health["first"], w.cluster.health["second"] = "InProgress", "InProgress"
	w.desire("c1", 1)
	w.settle()
	w.pass(4 * time.Minute)
	delete(w.cluster.health, "first")
	w.settle()
	w.pass(4 * time.Minute)
	require.Equal(t, v1alpha1.ReleaseProgressing, w.release(1).Status.Result)
	w.pass(2 * time.Minute)
	require.Equal(t, v1alpha1.ReleaseFailed, w.release(1).Status.Result)
	require.Contains(t, w.release(1).Status.Reason, "not healthy within 5m0s: ConfigMap/second: not ready")
}

func TestHooksOfAllPhases(t *testing.T) {
	w := newWorld(t)
	w.r.Renderer = set("ConfigMap c", "Pod migrate hook=PreSync", "Pod seed hook=Sync", "Pod smoke hook=PostSync hook-delete-policy=HookSucceeded",
		"Pod undo hook=SyncFail", "Pod never hook=Skip")
	w.cluster.result["migrate"] = "runs"
	w.desire("c1", 1)
	w.settle()
	require.Empty(t, w.cluster.applied)
	require.Zero(t, w.app().Status.Current, "nothing of the release is there yet")
	require.Contains(t, w.app().Status.Message, "PreSync: hook Pod/migrate: Job runs")
	require.Equal(t, "PreSync migrate Running", w.hooks(1))
	w.pass(time.Minute)

	delete(w.cluster.result, "migrate")
	w.cluster.result["smoke"] = "runs"
	w.settle()
	require.Equal(t, []string{"c"}, w.cluster.applied)
	require.Equal(t, "PreSync migrate Succeeded; Sync seed Succeeded; PostSync smoke Running", w.hooks(1))
	require.Equal(t, v1alpha1.ReleaseProgressing, w.release(1).Status.Result)

	delete(w.cluster.result, "smoke")
	w.settle()
	require.Equal(t, v1alpha1.ReleaseHealthy, w.release(1).Status.Result)
	require.Equal(t, []string{"1/migrate", "1/seed", "1/smoke"}, w.cluster.made)
	require.NotContains(t, w.cluster.hooks, "smoke", "its policy deletes it")
	require.Contains(t, w.cluster.hooks, "migrate", "the next one of the name deletes it")
	require.False(t, w.cluster.hooks["migrate"].held)

	// The next release runs them again; going back to this one does not.
	w.desire("c2", 2)
	w.settle()
	require.Equal(t, []string{"1/migrate", "1/seed", "1/smoke", "2/migrate", "2/seed", "2/smoke"}, w.cluster.made)
	require.NoError(t, w.r.Rollback(t.Context(), "default", "hello", 1, "ada"))
	w.settle()
	require.Equal(t, "Pinned", w.app().Status.Sync)
	require.Len(t, w.cluster.made, 6)

	// A hook that leaves the set leaves the cluster.
	require.NoError(t, w.r.Unpin(t.Context(), "default", "hello", "ada"))
	w.r.Renderer = set("ConfigMap c")
	w.desire("c3", 3)
	w.settle()
	require.Empty(t, w.cluster.hooks)
	require.Empty(t, w.app().Status.Hooks)
}

func TestAFailedHookFailsTheRelease(t *testing.T) {
	for _, c := range []struct{ phase, applied, back string }{
		{"PreSync", "v1", ""},          // nothing changed, nothing is put back
		{"Sync", "v1 v1", "v2"},        // before its objects
		{"PostSync", "v1 v2 v1", "v2"}, // after them
	} {
		t.Run(c.phase, func(t *testing.T) {
			w := newWorld(t)
			w.desire("c1", 1)
			w.settle()
			w.r.Renderer = set("ConfigMap v2", "Pod bad hook="+c.phase+" hook-delete-policy=HookFailed", "Pod undo hook=SyncFail")
			w.cluster.result["bad"], w.cluster.result["undo"] = "fails", "runs"
			w.desire("c2", 2)
			w.settle()
			rel := w.release(2)
			require.Equal(t, v1alpha1.ReleaseFailed, rel.Status.Result)
			require.Contains(t, rel.Status.Reason, c.phase+" hook Pod/bad failed: Job failed")
			require.Contains(t, w.app().Status.Message, "it failed; SyncFail: hook Pod/undo: Job runs")
			require.Contains(t, w.cluster.hooks, "bad", "its evidence stays until all is over")
			before := len(w.cluster.applied)

			delete(w.cluster.result, "undo")
			w.settle()
			require.GreaterOrEqual(t, len(w.cluster.applied), before)
			require.Equal(t, c.applied, strings.Join(w.cluster.applied, " "))
			require.Equal(t, c.back, strings.Join(w.cluster.pruned, " "))
			require.NotContains(t, w.cluster.hooks, "bad")
			require.Equal(t, c.phase+" bad Failed; SyncFail undo Succeeded", w.hooks(2))
			require.EqualValues(t, 1, w.app().Status.Current)
			require.Equal(t, "Healthy/Failed", w.app().Status.Health+"/"+w.app().Status.Sync)
			require.Contains(t, w.app().Status.Message, "release 2 failed, release 1 runs")

			// It is not tried again by itself; asked to, it is another release with hooks of its own.
			w.settle()
			delete(w.cluster.result, "bad")
			require.NoError(t, w.r.Retry(t.Context(), "default", "hello"))
			w.settle()
			require.Equal(t, v1alpha1.ReleaseHealthy, w.release(3).Status.Result)
			require.Contains(t, w.cluster.made, "3/bad")
		})
	}
}

func TestAHookThatNeverEndsFailsAtTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.r.Renderer = set("ConfigMap c", "Pod slow hook=PreSync", "Pod undo hook=SyncFail")
	w.cluster.result["slow"], w.cluster.result["undo"] = "runs", "runs"
	w.desire("c1", 1)
	w.settle()
	w.pass(6 * time.Minute)
	require.Equal(t, v1alpha1.ReleaseFailed, w.release(1).Status.Result)
	require.Contains(t, w.release(1).Status.Reason, "not done within 5m0s: PreSync: hook Pod/slow: Job runs")
	require.Contains(t, w.app().Status.Message, "SyncFail: hook Pod/undo")
	w.pass(6 * time.Minute)
	require.NotContains(t, w.app().Status.Message, "SyncFail")
	require.Empty(t, w.cluster.hooks, "what still runs is ended")
}

func TestANewValueInterruptsAWaveOrHook(t *testing.T) {
	for _, c := range []struct{ name, stuck string }{{"hook", "slow"}, {"wave", "first"}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.r.Renderer = set("ConfigMap first", "ConfigMap second sync-wave=1", "Pod slow hook=PreSync")
			w.cluster.health["first"] = "InProgress"
			if c.name == "hook" {
				w.cluster.result["slow"] = "runs"
			}
			w.desire("c1", 1)
			w.settle()
			require.NotContains(t, w.cluster.applied, "second")
			w.r.Renderer = set("ConfigMap v2")
			w.desire("c2", 2)
			w.settle()
			require.Equal(t, v1alpha1.ReleaseInterrupted, w.release(1).Status.Result)
			require.Equal(t, v1alpha1.ReleaseHealthy, w.release(2).Status.Result)
			require.Empty(t, w.cluster.hooks, "the hook of the one before is ended")
			require.NotContains(t, w.cluster.applied, "second")
		})
	}
	// While it fails, too.
	w := newWorld(t)
	w.r.Renderer = set("ConfigMap c", "Pod bad hook=PreSync", "Pod undo hook=SyncFail")
	w.cluster.result["bad"], w.cluster.result["undo"] = "fails", "runs"
	w.desire("c1", 1)
	w.settle()
	w.r.Renderer = set("ConfigMap v2")
	w.desire("c2", 2)
	w.settle()
	require.Equal(t, v1alpha1.ReleaseHealthy, w.release(2).Status.Result)
	require.Empty(t, w.cluster.hooks)
}

// TestKilledAtEveryStepOfASync kills the server before each write of a release with
// waves and hooks of all phases, once when it succeeds and once when it fails, and
// expects the same end: each hook was made once.
func TestKilledAtEveryStepOfASync(t *testing.T) {
	for name, fails := range map[string]bool{"healthy": false, "failed": true} {
		t.Run(name, func(t *testing.T) {
			for at := 1; ; at++ {
				w := newWorld(t)
				w.desire("c1", 1)
				w.settle()
				w.r.Renderer = set("ConfigMap a", "ConfigMap b sync-wave=3", "Pod pre hook=PreSync,PostSync", "Pod mid hook=Sync sync-wave=3",
					"Pod post hook=PostSync hook-delete-policy=HookSucceeded", "Pod undo hook=SyncFail")
				if fails {
					w.cluster.result["post"] = "fails"
				}
				w.desire("c2", 2)
				w.failAt = w.writes + at
				w.settle()
				rel, app := w.release(2), w.app()
				made := map[string]int{}
				for _, m := range w.cluster.made {
					made[m]++
				}
				want := map[string]int{"2/pre": 2, "2/mid": 1, "2/post": 1}
				result, current, sync := v1alpha1.ReleaseHealthy, int64(2), "Synced"
				if fails {
					want["2/undo"] = 1
					result, current, sync = v1alpha1.ReleaseFailed, 1, "Failed"
				}
				require.Equal(t, want, made, "kill %d", at)
				require.Equal(t, result, rel.Status.Result, "kill %d: %s", at, rel.Status.Reason)
				require.NotNil(t, rel.Status.FinishedAt, "kill %d", at)
				require.Equal(t, current, app.Status.Current, "kill %d", at)
				require.Equal(t, "Healthy/"+sync, app.Status.Health+"/"+app.Status.Sync, "kill %d", at)
				for name, h := range w.cluster.hooks {
					require.False(t, h.held, "kill %d: %s keeps its finalizer", at, name)
				}
				require.NotEmpty(t, app.Status.Hooks, "kill %d", at)
				if w.failAt > w.writes {
					require.Greater(t, at, 20)
					return
				}
			}
		})
	}
}

func TestTheClockMayJumpAndTheAPIServerBeAway(t *testing.T) {
	w := newWorld(t)
	w.cluster.health["v1"] = "InProgress"
	w.desire("c1", 1)
	w.settle()
	for _, jump := range []time.Duration{24 * time.Hour, -48 * time.Hour, 24 * time.Hour} {
		w.now = w.now.Add(jump)
		w.settle()
		require.Equal(t, v1alpha1.ReleaseProgressing, w.release(1).Status.Result, "jump %s", jump)
	}
	// Nobody can look for a while.
	w.cluster.away = fmt.Errorf("connection refused")
	for range 5 {
		w.now = w.now.Add(2 * time.Minute)
		_, err := w.reconcile()
		require.ErrorContains(t, err, "connection refused")
	}
	w.cluster.away = nil
	w.settle()
	require.Equal(t, v1alpha1.ReleaseProgressing, w.release(1).Status.Result)
	delete(w.cluster.health, "v1")
	w.settle()
	require.Equal(t, v1alpha1.ReleaseHealthy, w.release(1).Status.Result)

	// A server that starts long after the deadline looks before it judges.
	w.version("v2")
	w.cluster.health["v2"] = "InProgress"
	w.desire("c2", 2)
	w.settle()
	w.now = w.now.Add(time.Hour)
	w.r.laps = &laps{}
	w.settle()
	require.Equal(t, v1alpha1.ReleaseProgressing, w.release(2).Status.Result)
	w.pass(time.Minute)
	require.Equal(t, v1alpha1.ReleaseFailed, w.release(2).Status.Result)
}

// refusing is an apiserver that refuses.
type refusing struct{ client.Reader }

func (refusing) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return errors.New("connection refused")
}

// TestNoDeadlineRunsWhileTheAPIServerIsAway: one that is shorter than the gaps between
// looks holds too.
func TestNoDeadlineRunsWhileTheAPIServerIsAway(t *testing.T) {
	w := newWorld(t)
	w.cluster.health["v1"] = "InProgress"
	w.desire("c1", 1)
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.HealthDeadline = &metav1.Duration{Duration: 12 * time.Second} })
	w.settle()
	w.now = w.now.Add(5 * time.Second)
	w.settle()
	seeing := w.r.Reader
	w.r.Reader = refusing{}
	for range 3 {
		w.now = w.now.Add(10 * time.Second)
		_, err := w.reconcile()
		require.ErrorContains(t, err, "connection refused")
	}
	w.r.Reader = seeing
	w.now = w.now.Add(10 * time.Second)
	w.settle()
	require.Equal(t, v1alpha1.ReleaseProgressing, w.release(1).Status.Result)
	w.now = w.now.Add(6 * time.Second)
	w.settle()
	require.Equal(t, v1alpha1.ReleaseProgressing, w.release(1).Status.Result, "five and six seconds were seen")
	w.now = w.now.Add(2 * time.Second)
	w.settle()
	require.Equal(t, v1alpha1.ReleaseFailed, w.release(1).Status.Result)
}

func TestDefinitionsComeFirst(t *testing.T) {
	w := newWorld(t)
	f := set("Thing thing", "CustomResourceDefinition things")
	f.objects[1].SetAPIVersion("apiextensions.k8s.io/v1")
	w.r.Renderer = f
	w.cluster.health["things"] = "InProgress"
	w.desire("c1", 1)
	w.settle()
	require.Equal(t, []string{"things"}, w.cluster.applied)
	delete(w.cluster.health, "things")
	w.settle()
	require.Equal(t, []string{"things", "thing"}, w.cluster.applied)
}
