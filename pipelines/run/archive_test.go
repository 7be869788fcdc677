package run

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// finished makes two runs of shop's main, each of one job that ended well.
func finished(t *testing.T) *world {
	w := newWorld(t, plan.Job{Name: "build"})
	w.push()
	w.through("shop-1")
	repo := &v1alpha1.Repository{}
	require.NoError(t, w.Get(t.Context(), repoKey, repo))
	repo.Status.Refs["refs/heads/main"] = v1alpha1.RefStatus{Commit: strings.Repeat("b", 40), Sequence: 2, Via: "push", By: "bob"}
	require.NoError(t, w.Status().Update(t.Context(), repo))
	w.push()
	w.through("shop-2")
	return w
}

// through takes a run of one job to its end, with its TaskRun swept.
func (w *world) through(name string) {
	w.t.Helper()
	w.settle(name)
	require.NoError(w.t, w.Artifacts.Put(w.t.Context(), "default", name, "build.zip", strings.NewReader("zip"), 10))
	w.end(attemptName(name, "build", 1), true, 0, "")
	run := w.settle(name)
	require.Equal(w.t, v1alpha1.Succeeded, run.Status.Phase)
	tr := &tekton.TaskRun{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: attemptName(name, "build", 1)}}
	require.NoError(w.t, w.Client.Delete(w.t.Context(), tr))
}

// archiveAll archives, as after two hours, and lets the controller see what was deleted.
func (w *world) archiveAll() {
	w.t.Helper()
	require.NoError(w.t, w.archive(w.t.Context(), time.Now().Add(2*time.Hour)))
	list := &v1alpha1.RunList{}
	require.NoError(w.t, w.List(w.t.Context(), list))
	for i := range list.Items {
		_, err := w.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key(&list.Items[i])})
		require.NoError(w.t, err)
	}
}

func (w *world) inEtcd(name string) bool {
	err := w.Get(w.t.Context(), types.NamespacedName{Namespace: "default", Name: name}, &v1alpha1.Run{})
	require.NoError(w.t, client.IgnoreNotFound(err))
	return err == nil
}

func TestRunsAreArchivedAndReadBack(t *testing.T) {
	w := finished(t)
	require.NoError(t, w.archive(t.Context(), time.Now().Add(time.Minute)))
	require.True(t, w.inEtcd("shop-1"), "it ended a minute ago")
	w.archiveAll()
	require.False(t, w.inEtcd("shop-1"))
	require.True(t, w.inEtcd("shop-2"), "the newest of its branch stays")

	run, err := w.Run(t.Context(), "default", "shop-1")
	require.NoError(t, err)
	require.Equal(t, v1alpha1.Succeeded, run.Status.Phase)
	require.Equal(t, "build", run.Status.Jobs[0].Name)
	_, job, err := w.job(t.Context(), "default", "shop-1", "build")
	require.NoError(t, err)
	require.Equal(t, "build", job.ID)
	rc, err := w.Artifacts.Get(t.Context(), "default", "shop-1", "build.zip")
	require.NoError(t, err, "what it left is still there")
	require.NoError(t, rc.Close())

	for _, limit := range []int{1, 2, 10} {
		var names []string
		for next, first := "", true; first || next != ""; first = false {
			var page []v1alpha1.Run
			page, next, err = w.ListRuns(t.Context(), "default", "shop", next, limit)
			require.NoError(t, err)
			for i := range page {
				names = append(names, page[i].Name)
			}
		}
		require.Equal(t, []string{"shop-2", "shop-1"}, names)
	}
	_, _, err = w.ListRuns(t.Context(), "default", "", "no such place", 1)
	require.True(t, apierrors.IsBadRequest(err), err)
}

func TestArchivingMayStopAnywhere(t *testing.T) {
	for n := 0; ; n++ {
		w := finished(t)
		w.crashAt(n)
		err := w.archive(t.Context(), time.Now().Add(2*time.Hour))
		w.restart()
		w.archiveAll()
		require.False(t, w.inEtcd("shop-1"), "stopped at write %d", n)
		run, rerr := w.Run(t.Context(), "default", "shop-1")
		require.NoError(t, rerr)
		require.Equal(t, v1alpha1.Succeeded, run.Status.Phase)
		rc, rerr := w.Artifacts.Get(t.Context(), "default", "shop-1", "build.zip")
		require.NoError(t, rerr)
		require.NoError(t, rc.Close())
		if err == nil {
			require.Greater(t, n, 3)
			return
		}
	}
}

func TestComingBackMayStopAnywhere(t *testing.T) {
	for n := 0; ; n++ {
		w := finished(t)
		w.archiveAll()
		w.crashAt(n)
		act := v1alpha1.RunAction{Verb: verbRetry, Job: "build", By: "ann"}
		err := w.Act(t.Context(), "default", "shop-1", act)
		w.restart()
		require.NoError(t, w.archive(t.Context(), time.Now()))
		run, rerr := w.Run(t.Context(), "default", "shop-1")
		require.NoError(t, rerr)
		require.Equal(t, "build", run.Status.Jobs[0].Name)
		if len(run.Spec.Actions) == 0 {
			require.NoError(t, w.Act(t.Context(), "default", "shop-1", act))
		}
		require.Equal(t, 2, w.settle("shop-1").Status.Jobs[0].Attempt, "stopped at write %d", n)
		if err == nil {
			require.Greater(t, n, 3)
			return
		}
	}
}

func TestAnArchivedRunBeginsAgain(t *testing.T) {
	w := finished(t)
	w.archiveAll()
	err := w.Act(t.Context(), "default", "shop-1", v1alpha1.RunAction{Verb: verbCancel, Job: "build", By: "ann"})
	require.True(t, apierrors.IsBadRequest(err), err)
	require.False(t, w.inEtcd("shop-1"), "what is refused brings nothing back")
	require.NoError(t, w.Act(t.Context(), "default", "shop-1", v1alpha1.RunAction{Verb: verbRetry, Job: "build", By: "ann"}))
	run := w.settle("shop-1")
	require.Equal(t, v1alpha1.Running, run.Status.Phase)
	require.Equal(t, 2, run.Status.Jobs[0].Attempt)
	_, err = w.Archive.Get("default", "shop-1")
	require.True(t, errors.Is(err, os.ErrNotExist), err)
	w.archiveAll()
	require.True(t, w.inEtcd("shop-1"))
}

func TestArchivedRunsGoWithTheirRepositoryAndByName(t *testing.T) {
	w := finished(t)
	w.archiveAll()
	require.NoError(t, w.Purge(t.Context(), repoKey, "u"))
	_, err := w.Run(t.Context(), "default", "shop-1")
	require.NoError(t, err, "it is of this repository")
	require.NoError(t, w.Purge(t.Context(), repoKey, "another"))
	_, err = w.Run(t.Context(), "default", "shop-1")
	require.True(t, apierrors.IsNotFound(err), err)
	_, err = w.Artifacts.Get(t.Context(), "default", "shop-1", "build.zip")
	require.True(t, errors.Is(err, os.ErrNotExist), err)

	w = finished(t)
	w.archiveAll()
	require.NoError(t, w.DeleteRun(t.Context(), "default", "shop-1"))
	_, err = w.Run(t.Context(), "default", "shop-1")
	require.True(t, apierrors.IsNotFound(err), err)
}

func TestArtifactsExpireInTheArchiveToo(t *testing.T) {
	w := finished(t)
	for _, name := range []string{"shop-1", "shop-2"} {
		run := &v1alpha1.Run{}
		require.NoError(t, w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: name}, run))
		at := metav1.NewTime(time.Now().Add(24 * time.Hour).Truncate(time.Second))
		run.Status.Jobs[0].Artifacts, run.Status.Jobs[0].ArtifactsExpire = true, &at
		require.NoError(t, w.Status().Update(t.Context(), run))
	}
	w.archiveAll()
	require.NoError(t, w.expire(t.Context(), time.Now().Add(23*time.Hour)))
	run, err := w.Run(t.Context(), "default", "shop-1")
	require.NoError(t, err)
	require.True(t, run.Status.Jobs[0].Artifacts)
	require.NoError(t, w.expire(t.Context(), time.Now().Add(25*time.Hour)))
	run, err = w.Run(t.Context(), "default", "shop-1")
	require.NoError(t, err)
	require.False(t, run.Status.Jobs[0].Artifacts)
	run, err = w.Run(t.Context(), "default", "shop-2")
	require.NoError(t, err)
	require.True(t, run.Status.Jobs[0].Artifacts, "the newest successful run of a ref keeps them")
}

func TestStartedRunsGoBeforeTheirParent(t *testing.T) {
	child := v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "c"}, Spec: v1alpha1.RunSpec{Parent: &v1alpha1.RunParent{Run: "p"}}}
	grandchild := v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "g"}, Spec: v1alpha1.RunSpec{Parent: &v1alpha1.RunParent{Run: "c"}}}
	parent := v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p"}}
	orphan := v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "o"}, Spec: v1alpha1.RunSpec{Parent: &v1alpha1.RunParent{Run: "gone"}}}
	got := map[string]string{}
	for _, f := range families([]v1alpha1.Run{parent, child, grandchild, orphan}) {
		var names []string
		for _, r := range f {
			names = append(names, r.Name)
		}
		got[names[len(names)-1]] = strings.Join(names, " ")
	}
	require.Equal(t, map[string]string{"p": "g c p", "o": "o"}, got)
}
