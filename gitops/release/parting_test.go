package release

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"

	"slipway.dev/cluster/api/v1alpha1"
)

// parted is a world whose application is being deleted, with hooks around that.
func parted(t *testing.T, results map[string]string) *world {
	t.Helper()
	w := newWorld(t, secret("s", "planted-value"))
	w.r.Renderer = set("ConfigMap v1", "Pod backup hook=PreDelete", "Pod count hook=PreDelete sync-wave=1", "Pod dns hook=PostDelete")
	w.desire("c1", 1)
	w.settle()
	require.Empty(t, w.cluster.made, "no synchronisation runs them")
	require.True(t, w.app().Status.DeletionHooks)
	w.cluster.result = results
	require.NoError(t, w.r.Delete(t.Context(), "default", "hello", nil, "ada"))
	return w
}

func (w *world) isGone() bool {
	w.t.Helper()
	return w.client.Get(w.t.Context(), keyOf("hello"), &v1alpha1.Application{}) != nil
}

func TestHooksAroundADeletion(t *testing.T) {
	w := parted(t, map[string]string{"backup": "runs", "dns": "runs"})
	w.settle()
	require.Equal(t, []string{"1/backup"}, w.cluster.made)
	require.Empty(t, w.cluster.pruned)
	require.Contains(t, w.app().Status.Message, "is being deleted: PreDelete: hook Pod/backup: Job runs")

	delete(w.cluster.result, "backup")
	w.cluster.health["v1"] = "Terminating"
	w.pass(10 * time.Second)
	require.Equal(t, []string{"1/backup", "1/count"}, w.cluster.made, "waves are kept")
	require.Contains(t, w.cluster.pruned, "v1")
	require.Contains(t, w.app().Status.Message, "is being deleted: goes: ConfigMap/v1")

	w.cluster.health["v1"] = "NotFound"
	w.settle()
	require.Equal(t, []string{"1/backup", "1/count", "1/dns"}, w.cluster.made)
	require.False(t, w.isGone())
	w.settle()
	require.Contains(t, w.cluster.hooks, "dns", "what it applied is deleted once, and not what runs after that")

	delete(w.cluster.result, "dns")
	w.settle()
	require.True(t, w.isGone())
	require.Empty(t, w.cluster.hooks)
}

func TestAHookThatFailsHoldsADeletionUp(t *testing.T) {
	held := func(w *world, why string) {
		t.Helper()
		w.settle()
		require.True(t, meta.IsStatusConditionTrue(w.app().Status.Conditions, v1alpha1.ConditionDeletionHeld))
		require.Contains(t, w.app().Status.Message, why)
		require.Contains(t, w.app().Status.Message, "`slipway app sync hello` runs it again")
		require.NotContains(t, w.cluster.pruned, "v1")
	}
	t.Run("again", func(t *testing.T) {
		w := parted(t, map[string]string{"count": "fails"})
		held(w, "PreDelete hook Pod/count failed: Job failed")
		w.pass(time.Minute)
		require.Equal(t, []string{"1/backup", "1/count"}, w.cluster.made, "it is not tried again by itself")
		delete(w.cluster.result, "count")
		require.NoError(t, w.r.Sync(t.Context(), "default", "hello", "ada"))
		w.settle()
		require.Equal(t, []string{"1/backup", "1/count", "1/count", "1/dns"}, w.cluster.made, "what succeeded is not repeated")
		require.True(t, w.isGone())
	})
	t.Run("never ends", func(t *testing.T) {
		w := parted(t, map[string]string{"backup": "runs"})
		w.settle()
		require.ErrorContains(t, w.r.Sync(t.Context(), "default", "hello", "ada"), "is being deleted")
		w.pass(6 * time.Minute)
		held(w, "not done within 5m0s: hook Pod/backup: Job runs")
		require.NoError(t, w.r.Sync(t.Context(), "default", "hello", "ada"))
		w.settle()
		require.Equal(t, []string{"1/backup", "1/backup"}, w.cluster.made)
		require.False(t, meta.IsStatusConditionTrue(w.app().Status.Conditions, v1alpha1.ConditionDeletionHeld), "it has its time anew")
	})
	t.Run("skipped", func(t *testing.T) {
		w := parted(t, map[string]string{"backup": "fails"})
		held(w, "PreDelete hook Pod/backup failed")
		app := w.app()
		app.Annotations = map[string]string{v1alpha1.AnnotationDeletionHooks: "skip"}
		require.NoError(t, w.client.Update(t.Context(), app))
		w.settle()
		require.True(t, w.isGone())
		require.Contains(t, w.cluster.pruned, "v1")
		require.NotContains(t, w.cluster.made, "1/dns")
	})
	t.Run("orphaned", func(t *testing.T) {
		w := parted(t, map[string]string{"backup": "fails"})
		held(w, "PreDelete hook Pod/backup failed")
		require.NoError(t, w.r.Delete(t.Context(), "default", "hello", ptr.To(false), "ada"))
		w.settle()
		require.True(t, w.isGone())
		require.Contains(t, w.cluster.left, "v1")
		require.NotContains(t, w.cluster.pruned, "v1")
	})
	t.Run("of a generator", func(t *testing.T) {
		w := parted(t, map[string]string{"backup": "fails", "dns": "fails"})
		app := w.app()
		app.Labels = map[string]string{v1alpha1.LabelApplicationSet: "previews"}
		require.NoError(t, w.client.Update(t.Context(), app))
		recorder := events.NewFakeRecorder(100)
		w.r.Events = recorder
		w.settle()
		require.True(t, w.isGone())
		require.Contains(t, <-recorder.Events, "HookFailed PreDelete hook Pod/backup failed")
	})
}

func TestDeletionHooksThatCannotRun(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(w *world)
		pruned  bool
	}{
		"a namespace that is being deleted": {func(w *world) {
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default", Finalizers: []string{"kubernetes"}}}
			require.NoError(t, w.client.Create(t.Context(), ns))
			require.NoError(t, w.client.Delete(t.Context(), ns))
		}, true},
		"a release that went first": {func(w *world) { require.NoError(t, w.client.Delete(t.Context(), w.release(1))) }, true},
		"a store that is away":      {func(w *world) { w.r.Store.Sets = &sets{content: map[string][]byte{}} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := parted(t, nil)
			c.prepare(w)
			w.settle()
			require.True(t, w.isGone())
			require.Contains(t, w.cluster.pruned, "v1")
			require.Equal(t, c.pruned, len(w.cluster.made) == 0, "%v", w.cluster.made)
		})
	}
}

// TestKilledAtEveryStepOfADeletion kills the server before each write: every hook is made
// once, in its order, and nothing is left.
func TestKilledAtEveryStepOfADeletion(t *testing.T) {
	for at := 1; ; at++ {
		w := parted(t, nil)
		w.failAt = w.writes + at
		w.settle()
		require.True(t, w.isGone(), "kill %d", at)
		require.Equal(t, "1/backup 1/count 1/dns", strings.Join(w.cluster.made, " "), "kill %d", at)
		require.Contains(t, fmt.Sprint(w.cluster.pruned), "v1", "kill %d", at)
		require.Empty(t, w.cluster.hooks, "kill %d", at)
		if w.failAt > w.writes {
			require.Greater(t, at, 10)
			return
		}
	}
}
