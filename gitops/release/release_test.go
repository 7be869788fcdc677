package release

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefake "k8s.io/client-go/kubernetes/fake"

	"slipway.dev/cluster/api/v1alpha1"
)

// version has the next rendering give a set of this name.
func (w *world) version(set string) { w.r.Renderer = renderer{set: set} }

func TestHealthyReleaseThenNothing(t *testing.T) {
	w := newWorld(t)
	w.desire("c1", 1)
	w.settle()
	app, rel := w.app(), w.release(1)
	require.Equal(t, v1alpha1.ReleaseHealthy, rel.Status.Result)
	require.Equal(t, "subject of c1", rel.Spec.Subject)
	require.NotEmpty(t, rel.Spec.Rendered)
	require.NotNil(t, rel.Status.FinishedAt)
	require.Equal(t, []int64{1, 1, 1}, []int64{app.Status.Last, app.Status.Current, app.Status.Healthy})
	require.Equal(t, "Healthy/Synced", app.Status.Health+"/"+app.Status.Sync)
	require.Equal(t, []string{"http://10.41.0.1:30080"}, app.Status.Addresses)
	require.Equal(t, []string{"v1"}, w.cluster.applied)

	// A restarted server finds it healthy and touches nothing.
	writes := w.writes
	w.settle()
	w.desire("c1", 1)
	w.settle()
	require.Equal(t, writes+1, w.writes)
	require.Equal(t, []string{"v1"}, w.cluster.applied)
}

func TestFailedReleaseIsPutBackAndNotRetried(t *testing.T) {
	w := newWorld(t, secret("s", "planted-value"))
	w.desire("c1", 1)
	w.settle()
	w.version("v2")
	w.cluster.health["v2"] = "InProgress"
	w.r.Pods = kubefake.NewClientset(&corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: "e", CreationTimestamp: metav1.NewTime(w.now.Add(time.Second))},
		InvolvedObject: corev1.ObjectReference{Kind: "ConfigMap", Name: "v2"}, Type: "Warning", Reason: "Unhealthy",
		Message: "Readiness probe failed: token planted-value", Count: 3,
	})
	w.desire("c2", 2)
	w.settle()
	require.Equal(t, v1alpha1.ReleaseProgressing, w.release(2).Status.Result)
	require.Equal(t, "Progressing", w.app().Status.Health)

	w.pass(6 * time.Minute)
	w.settle()
	app, rel := w.app(), w.release(2)
	require.Equal(t, v1alpha1.ReleaseFailed, rel.Status.Result)
	require.EqualValues(t, 1, rel.Status.RolledBackTo)
	require.Contains(t, rel.Status.Reason, "not healthy within 5m0s: ConfigMap/v2: not ready")
	require.Contains(t, rel.Status.Reason, "Readiness probe failed: token *****")
	kinds := ""
	for _, e := range rel.Status.Evidence {
		kinds += e.Kind + " "
		require.NotContains(t, e.Text, "planted-value")
	}
	require.Equal(t, "status probe diff diff ", kinds)
	require.Equal(t, []int64{2, 1, 1}, []int64{app.Status.Last, app.Status.Current, app.Status.Healthy})
	require.Equal(t, "Healthy/Failed", app.Status.Health+"/"+app.Status.Sync)
	require.Equal(t, "c2", app.Status.Refused.Commit)
	require.Equal(t, []string{"v1", "v2", "v1"}, w.cluster.applied)
	require.Equal(t, []string{"v2"}, w.cluster.pruned)
	w.settle()
	require.Equal(t, []string{"v1", "v2", "v1"}, w.cluster.applied, "a refused value is not tried again")

	// Somebody asks: a new release of the same value.
	delete(w.cluster.health, "v2")
	require.NoError(t, w.r.Retry(context.Background(), "default", "hello"))
	w.settle()
	require.Equal(t, v1alpha1.ReleaseHealthy, w.release(3).Status.Result)
	require.Nil(t, w.app().Status.Refused)
	require.EqualValues(t, 3, w.app().Status.Current)
}

func TestSetThatIsRefusedChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.desire("c1", 1)
	w.settle()
	w.version("v2")
	w.cluster.refuse = `Deployment/web: names namespace "nowhere", which does not exist`
	w.desire("c2", 2)
	w.settle()
	require.Equal(t, v1alpha1.ReleaseFailed, w.release(2).Status.Result)
	require.Contains(t, w.release(2).Status.Reason, "nowhere")
	require.Zero(t, w.release(2).Status.RolledBackTo)
	require.Equal(t, []string{"v1"}, w.cluster.applied)
	require.Equal(t, "Failed", w.app().Status.Sync)

	w.cluster.refuse = ""
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Source.Path = "bad" })
	w.desire("c3", 3)
	w.settle()
	require.Equal(t, "deploy/a.yaml:3: did not find expected node content", w.release(3).Status.Reason)
	require.Empty(t, w.release(3).Spec.Rendered)
	require.Equal(t, []string{"v1"}, w.cluster.applied)
	require.EqualValues(t, 1, w.app().Status.Current)
}

func TestFailedFirstReleaseStaysForALook(t *testing.T) {
	w := newWorld(t)
	w.cluster.health["v1"] = "Failed"
	w.desire("c1", 1)
	w.settle()
	require.Equal(t, v1alpha1.ReleaseFailed, w.release(1).Status.Result)
	require.Zero(t, w.release(1).Status.RolledBackTo)
	require.Equal(t, "Degraded/Failed", w.app().Status.Health+"/"+w.app().Status.Sync)
}

func TestNewValueInterruptsAStuckRollout(t *testing.T) {
	w := newWorld(t)
	w.cluster.health["v1"] = "InProgress"
	w.desire("c1", 1)
	w.settle()
	w.version("v2")
	w.desire("c2", 2)
	w.settle()
	require.Equal(t, v1alpha1.ReleaseInterrupted, w.release(1).Status.Result)
	require.Equal(t, v1alpha1.ReleaseHealthy, w.release(2).Status.Result)
	require.Equal(t, []string{"v1"}, w.cluster.pruned)

	d := &Deployer{Client: w.client}
	err := d.Deploy(context.Background(), "default", "hello", v1alpha1.Source{Repository: "hello"}, v1alpha1.Desired{Commit: "c1", Sequence: 1})
	require.ErrorContains(t, err, "update 2 is already desired")
}

func TestPinHoldsUntilUnpin(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.desire("c1", 1)
	w.settle()
	w.version("v2")
	w.desire("c2", 2)
	w.settle()
	require.ErrorContains(t, w.r.Rollback(ctx, "default", "hello", 7, "ada"), "choose one of 2, 1")
	require.NoError(t, w.r.Rollback(ctx, "default", "hello", 1, "ada"))
	w.settle()
	require.Equal(t, "Healthy/Pinned", w.app().Status.Health+"/"+w.app().Status.Sync)
	require.EqualValues(t, 1, w.app().Status.Current)

	w.version("v3")
	w.desire("c3", 3)
	w.settle()
	require.EqualValues(t, 1, w.app().Status.Current)
	require.EqualValues(t, 2, w.app().Status.Last, "a pinned application makes no release")
	rel, err := (&Deployer{Client: w.client}).Wait(ctx, "default", "hello", v1alpha1.Desired{Commit: "c3", Sequence: 3}, &strings.Builder{})
	require.NoError(t, err)
	require.EqualValues(t, 1, rel.Spec.Number)

	require.NoError(t, w.r.Unpin(ctx, "default", "hello", "ada"))
	w.settle()
	require.EqualValues(t, 3, w.app().Status.Current)
	require.Equal(t, []string{"v1", "v2", "v1", "v3"}, w.cluster.applied)

	require.NoError(t, w.r.Rollback(ctx, "default", "hello", 0, "ada"))
	w.settle()
	require.EqualValues(t, 2, w.app().Status.Current)
	require.NoError(t, w.r.Unpin(ctx, "default", "hello", "ada"))
	w.settle()
	require.EqualValues(t, 3, w.app().Status.Current)
	require.EqualValues(t, 3, w.app().Status.Last, "the release of the desired value is made current again")
}

// TestKilledBeforeEveryWrite kills the server before each write of a story with a
// good release, a failed one and a pin, and expects the same end each time.
func TestKilledBeforeEveryWrite(t *testing.T) {
	for at := 1; ; at++ {
		w := newWorld(t)
		w.desire("c1", 1)
		w.failAt = w.writes + at
		w.settle()
		first := w.writes
		w.version("v2")
		w.cluster.health["v2"] = "Failed"
		offset := w.failAt
		if w.failAt > first {
			// Still to come: do not count the write of the test itself.
			w.failAt = 0
		}
		w.desire("c2", 2)
		if offset > first {
			w.failAt = offset + 1
		}
		w.settle()
		failed := w.writes
		require.Equal(t, v1alpha1.ReleaseHealthy, w.release(1).Status.Result, "kill %d", at)
		require.Equal(t, v1alpha1.ReleaseFailed, w.release(2).Status.Result, "kill %d", at)
		require.EqualValues(t, 1, w.release(2).Status.RolledBackTo, "kill %d", at)
		require.NotNil(t, w.release(2).Status.FinishedAt, "kill %d", at)
		app := w.app()
		require.Equal(t, []int64{2, 1, 1}, []int64{app.Status.Last, app.Status.Current, app.Status.Healthy}, "kill %d", at)
		require.Equal(t, "v1", w.cluster.applied[len(w.cluster.applied)-1], "kill %d", at)
		require.Equal(t, "c2", app.Status.Refused.Commit, "kill %d", at)
		require.Len(t, app.Status.Inventory, 1, "kill %d", at)
		require.Equal(t, "v1", app.Status.Inventory[0].Name, "kill %d", at)
		require.Equal(t, "Healthy", app.Status.Health, "kill %d", at)
		list := &v1alpha1.ReleaseList{}
		require.NoError(t, w.client.List(context.Background(), list))
		require.Len(t, list.Items, 2, "kill %d", at)
		if at > failed {
			require.Greater(t, at, 10)
			return
		}
	}
}

func TestDeletedApplicationIsPruned(t *testing.T) {
	w := newWorld(t)
	w.desire("c1", 1)
	w.settle()
	require.NoError(t, w.client.Delete(context.Background(), w.app()))
	_, err := w.reconcile()
	require.NoError(t, err)
	require.Equal(t, []string{"v1"}, w.cluster.pruned)
	require.Error(t, w.client.Get(context.Background(), keyOf("hello"), &v1alpha1.Application{}))
}

func TestReleasesOfAnEarlierApplicationAreNotTakenOver(t *testing.T) {
	w := newWorld(t, &v1alpha1.Release{ObjectMeta: metaOf("hello-1"), Spec: v1alpha1.ReleaseSpec{Application: "hello", Number: 1}})
	w.desire("c1", 1)
	_, err := w.reconcile()
	require.ErrorContains(t, err, "still being removed")
	require.Empty(t, w.cluster.applied)
}

func TestWaitTellsHowItEnded(t *testing.T) {
	w := newWorld(t)
	w.desire("c1", 1)
	d := &Deployer{Client: w.client}
	type end struct {
		rel *v1alpha1.Release
		err error
	}
	done, log := make(chan end, 1), &strings.Builder{}
	go func() {
		rel, err := d.Wait(context.Background(), "default", "hello", v1alpha1.Desired{Commit: "c1", Sequence: 1}, log)
		done <- end{rel, err}
	}()
	w.cluster.health["v1"] = "Failed"
	w.settle()
	got := <-done
	require.ErrorContains(t, got.err, "release hello-1 failed: ConfigMap/v1: not ready")
	require.Contains(t, log.String(), "status ConfigMap/v1: Failed: not ready")
	require.EqualValues(t, 1, got.rel.Spec.Number)
}

func TestRefusedValueIsRememberedBehindAnother(t *testing.T) {
	w := newWorld(t)
	w.desire("c1", 1)
	w.settle()
	w.version("v2")
	w.cluster.health["v2"] = "Failed"
	w.desire("c2", 2)
	w.settle()
	w.version("v1")
	w.desire("c1", 3)
	w.settle()
	require.Equal(t, "Synced", w.app().Status.Sync)
	w.spec(func(s *v1alpha1.ApplicationSpec) {
		s.Desired = &v1alpha1.Desired{Commit: "c2", Sequence: 4, Run: "run-c2"}
	})
	w.settle()
	require.EqualValues(t, 3, w.app().Status.Last)
	require.Equal(t, "Failed", w.app().Status.Sync)
	_, err := (&Deployer{Client: w.client}).Wait(context.Background(), "default", "hello", *w.app().Spec.Desired, &strings.Builder{})
	require.ErrorContains(t, err, "this value failed before")
}

func TestEvidenceHasLogsOfPodsThatAreNotReady(t *testing.T) {
	w := newWorld(t, secret("s", "fake"))
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "hello-x", CreationTimestamp: metav1.NewTime(w.now),
			Labels: map[string]string{v1alpha1.LabelApplication: "hello"}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "web", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}},
	}
	require.NoError(t, w.client.Create(t.Context(), pod))
	w.r.Pods = kubefake.NewClientset(pod)
	w.cluster.health["v1"] = "Failed"
	w.desire("c1", 1)
	w.settle()
	evidence := w.release(1).Status.Evidence
	require.Len(t, evidence, 2)
	require.Equal(t, v1alpha1.Evidence{Kind: "log", Object: "Pod/hello-x/web", Text: "***** logs"}, evidence[1])
}

func TestSyncOnPushFollowsTheBranch(t *testing.T) {
	ctx := context.Background()
	repo := &v1alpha1.Repository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "hello"},
		Status: v1alpha1.RepositoryStatus{DefaultBranch: "main", Sequence: 4, Refs: map[string]v1alpha1.RefStatus{
			"refs/heads/main": {Commit: "c4", Sequence: 4, Via: "push", By: "ada"}, "refs/heads/dev": {Commit: "c3", Sequence: 3},
		}},
	}
	var w *world
	apps := []string{"hello", "dev", "manual", "newer"}
	w = newWorld(t, repo,
		&v1alpha1.Application{ObjectMeta: metaOf("hello"), Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: v1alpha1.Source{Repository: "hello"}}},
		&v1alpha1.Application{ObjectMeta: metaOf("dev"), Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: v1alpha1.Source{Repository: "hello", Branch: "dev"}}},
		&v1alpha1.Application{ObjectMeta: metaOf("manual"), Spec: v1alpha1.ApplicationSpec{Sync: "manual", Source: v1alpha1.Source{Repository: "hello"}}},
		&v1alpha1.Application{ObjectMeta: metaOf("newer"), Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: v1alpha1.Source{Repository: "hello"}, Desired: &v1alpha1.Desired{Commit: "c9", Sequence: 9}}},
	)
	s := &SyncOnPush{Client: w.client, Reader: w.client, Log: w.r.Log}
	_, err := s.Reconcile(ctx, requestOf("hello"))
	require.NoError(t, err)
	var got []string
	for _, name := range apps {
		app := &v1alpha1.Application{}
		require.NoError(t, w.client.Get(ctx, keyOf(name), app))
		commit := "none"
		if app.Spec.Desired != nil {
			commit = app.Spec.Desired.Commit
		}
		got = append(got, fmt.Sprint(name, " ", commit))
	}
	require.Equal(t, []string{"hello c4", "dev c3", "manual none", "newer c9"}, got)
	require.NoError(t, w.r.Sync(ctx, "default", "manual", "ada"))
	app := &v1alpha1.Application{}
	require.NoError(t, w.client.Get(ctx, keyOf("manual"), app))
	require.Equal(t, "c4", app.Spec.Desired.Commit)
}

// TestAPushIsNeverAheadOfItsImages: where a pipeline builds the images, neither a push
// nor a person's sync releases its manifests before the deploy job knows the digests.
func TestAPushIsNeverAheadOfItsImages(t *testing.T) {
	ctx := t.Context()
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "hello"},
		Status: v1alpha1.RepositoryStatus{DefaultBranch: "main", Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c2", Sequence: 2}}}}
	w := newWorld(t, repo)
	d := &Deployer{Client: w.client}
	value := func(commit string, sequence int64, digest string) v1alpha1.Desired {
		return v1alpha1.Desired{Commit: commit, Sequence: sequence, Run: "run-" + commit, Cause: v1alpha1.CausePipeline, Images: []v1alpha1.Image{{Name: "hello", Digest: digest}}}
	}
	require.NoError(t, d.Deploy(ctx, "default", "hello", v1alpha1.Source{Repository: "hello"}, value("c1", 1, "sha256:one")))
	w.settle()
	_, err := (&SyncOnPush{Client: w.client, Reader: w.client, Log: w.r.Log}).Reconcile(ctx, requestOf("hello"))
	require.NoError(t, err)
	require.NoError(t, w.r.Sync(ctx, "default", "hello", "ada"))
	w.settle()
	require.EqualValues(t, 1, w.app().Status.Last)
	require.Equal(t, value("c1", 1, "sha256:one"), *w.app().Spec.Desired)
	require.NoError(t, d.Deploy(ctx, "default", "hello", v1alpha1.Source{Repository: "hello"}, value("c2", 2, "sha256:two")))
	w.settle()
	require.Equal(t, value("c2", 2, "sha256:two"), w.release(2).Spec.Desired)
	require.ErrorContains(t, d.Deploy(ctx, "default", "hello", v1alpha1.Source{Repository: "hello"}, value("c1", 1, "sha256:one")), "update 2 is already desired")
}

func TestDiffIsMasked(t *testing.T) {
	w := newWorld(t, secret("s", "planted-value"))
	w.desire("c1", 1)
	text, err := w.r.Diff(context.Background(), "default", "hello")
	require.NoError(t, err)
	require.Equal(t, "configured /\n+ token: *****\n", text)
}
