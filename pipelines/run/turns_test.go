package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// claimed is what "shop-3 holds" or "shop-4 wants 2" (since minute 2) say.
func claimed(text string) *claim {
	f := strings.Fields(text)
	repo, number, _ := strings.Cut(f[0], "-")
	c := &claim{key: types.NamespacedName{Namespace: "default", Name: f[0]}, repo: types.NamespacedName{Namespace: "default", Name: repo}, counted: true}
	_, _ = fmt.Sscan(number, &c.sequence)
	switch f[1] {
	case "holds":
		c.holds, c.running = true, 1
	case "wants":
		var minute int
		_, _ = fmt.Sscan(f[2], &minute)
		c.wants, c.since = true, noon.Add(time.Duration(minute)*time.Minute)
	}
	return c
}

func turnOf(me string, others ...string) *turn {
	t := &turn{turns: &turns{runs: map[types.NamespacedName]*claim{}}, run: &v1alpha1.Run{}, me: claimed(me), groups: map[string]bool{}}
	for _, o := range append(others, me) {
		c := claimed(o)
		t.runs[c.key] = c
	}
	return t
}

func TestPlacesOfRuns(t *testing.T) {
	for _, tc := range []struct {
		name     string
		me       string
		others   []string
		repo     int
		all      int
		expected string
	}{
		{"no limit", "shop-2 wants 1", []string{"shop-1 holds"}, 0, 0, ""},
		{"room in the repository", "shop-2 wants 1", []string{"shop-1 holds"}, 2, 0, ""},
		{"the repository is full", "shop-2 wants 1", []string{"shop-1 holds"}, 1, 0, "1st in the queue: repository shop runs 1 of 1"},
		{"behind another of the repository", "shop-3 wants 2", []string{"shop-1 holds", "shop-2 wants 1"}, 1, 0, "2nd in the queue: repository shop runs 1 of 1"},
		{"who waits longest is first, not who is oldest", "shop-3 wants 1", []string{"shop-1 holds", "shop-2 wants 2"}, 1, 0, "1st in the queue: repository shop runs 1 of 1"},
		{"another repository's limit is its own", "blog-1 wants 9", []string{"shop-1 holds", "shop-2 wants 1"}, 1, 0, ""},
		{"the server is full", "shop-2 wants 1", []string{"blog-1 holds"}, 0, 1, "1st in the queue: the server runs 1 of 1"},
		{"a repository that runs nothing is before one that does", "shop-2 wants 1", []string{"shop-1 holds", "blog-1 wants 5"}, 0, 2, "1st in the queue: the server runs 1 of 2"},
		{"and is first itself", "blog-1 wants 5", []string{"shop-1 holds", "shop-2 wants 1"}, 0, 2, ""},
		{"a full repository keeps nobody else waiting", "blog-1 wants 9", []string{"shop-1 holds", "shop-2 wants 1", "shop-3 wants 2"}, 1, 2, ""},
		{"repositories take turns", "shop-3 wants 2", []string{"shop-1 wants 1", "blog-1 wants 3", "site-1 holds"}, 0, 1, "3rd in the queue: the server runs 1 of 1"},
		{"who has a place is not asked", "shop-1 holds", []string{"blog-1 holds"}, 1, 1, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			turn := turnOf(tc.me, tc.others...)
			turn.repoRuns, turn.allRuns = tc.repo, tc.all
			require.Equal(t, tc.expected, turn.askPlace())
		})
	}
}

func TestPlacesOfJobs(t *testing.T) {
	turn := turnOf("shop-1 holds", "blog-1 holds")
	turn.allJobs = 3
	queued := metav1.NewMicroTime(noon.Add(2 * time.Minute))
	js := &v1alpha1.JobStatus{Name: "a", QueuedAt: &queued}
	require.Empty(t, turn.askJob(js), "two of three run")
	turn.begun = 1
	require.Equal(t, "1st in the queue of jobs: the server runs 3 of 3", turn.askJob(js))
	turn.begun = 0
	turn.runs[claimed("site-1 holds").key] = &claim{key: claimed("site-1 holds").key, repo: types.NamespacedName{Namespace: "default", Name: "site"}, ready: []time.Time{noon.Add(time.Hour)}}
	require.Equal(t, "1st in the queue of jobs: the server runs 2 of 3", turn.askJob(js), "a repository that runs nothing is next, although it waits since later")
}

func TestARunWaitsForItsTurn(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.Settings.MaxRuns = 1
	var woken []string
	w.turns.wake = func(k types.NamespacedName) { woken = append(woken, k.Name) }
	w.push()
	require.Equal(t, v1alpha1.Running, w.settle("shop-1").Status.Phase)
	again, err := w.Rerun(t.Context(), "default", "shop-1", "ann")
	require.NoError(t, err)
	waits := w.settle(again.Name)
	require.Equal(t, "1st in the queue: the server runs 1 of 1", waits.Status.Queued)
	require.Equal(t, v1alpha1.Pending, waits.Status.Jobs[0].Phase)
	require.NotNil(t, waits.Status.Jobs[0].QueuedAt)
	w.live = w.Client // a restart knows as much
	w.restartKeeping(1)
	w.turns.wake = func(k types.NamespacedName) { woken = append(woken, k.Name) }
	require.Equal(t, "1st in the queue: the server runs 1 of 1", w.settle(again.Name).Status.Queued)
	w.end(attemptName("shop-1", "a", 1), true, 0, "")
	require.Equal(t, v1alpha1.Succeeded, w.settle("shop-1").Status.Phase)
	require.Contains(t, woken, again.Name)
	now := w.settle(again.Name)
	require.Empty(t, now.Status.Queued)
	require.Equal(t, v1alpha1.Running, now.Status.Phase)
}

// restartKeeping restarts with that many runs at one time.
func (w *world) restartKeeping(runs int) {
	variables := w.Variables
	w.restart()
	w.Variables, w.Settings.MaxRuns = variables, runs
}
