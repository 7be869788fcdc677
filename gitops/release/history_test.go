package release

import (
	"context"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

func (w *world) numbers() string {
	w.t.Helper()
	history, err := w.r.History(context.Background(), "default", "hello")
	require.NoError(w.t, err)
	text := ""
	for _, rel := range history {
		text += fmt.Sprint(rel.Spec.Number, " ")
	}
	return text
}

func TestHistoryIsTrimmed(t *testing.T) {
	w := newWorld(t)
	deploy := func(n int) {
		w.version(fmt.Sprint("v", n))
		w.desire(fmt.Sprint("c", n), int64(n))
		w.settle()
	}
	w.create("hello", v1alpha1.ApplicationSpec{Sync: "pipeline", Lifecycle: v1alpha1.Lifecycle{HistoryLimit: 3}})
	for n := 1; n <= 5; n++ {
		deploy(n)
	}
	kept := w.r.Store.Sets.(*sets).content
	require.Equal(t, "5 4 3 ", w.numbers())
	require.Len(t, kept, 3)
	require.Equal(t, &v1alpha1.HistoryStatus{Through: 2}, w.app().Status.History)

	// The pinned one is spared for as long as it is pinned, and what a pin's end goes
	// back to is spared too.
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Pin = 3 })
	w.settle()
	w.cluster.health["v7"] = "Failed"
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.HistoryLimit = 2 })
	w.settle()
	require.Equal(t, "5 4 3 ", w.numbers())
	w.spec(func(s *v1alpha1.ApplicationSpec) { s.Pin = 0 })
	for n := 6; n <= 7; n++ {
		deploy(n)
	}
	require.Equal(t, v1alpha1.ReleaseFailed, w.release(7).Status.Result)
	require.Equal(t, "7 6 ", w.numbers())
	require.EqualValues(t, 6, w.app().Status.Current)
	for n := 8; n <= 10; n++ {
		w.cluster.health[fmt.Sprint("v", n)] = "Failed"
		deploy(n)
	}
	require.Equal(t, "10 9 6 ", w.numbers(), "the last healthy one stays")
	require.Equal(t, &v1alpha1.HistoryStatus{Through: 8, Spared: []int64{6}}, w.app().Status.History)

	// A set that a kept release has too stays.
	delete(w.cluster.health, "v10")
	for n := 11; n <= 14; n++ {
		w.version("v10")
		w.desire(fmt.Sprint("c", n), int64(n))
		w.settle()
	}
	require.Equal(t, "14 13 ", w.numbers())
	require.Len(t, kept, 1)
	_, err := w.r.Store.Get(context.Background(), "default", "hello", w.release(14).Spec.Rendered)
	require.NoError(t, err)

	// With the application go the sets.
	require.NoError(t, w.client.Delete(context.Background(), w.app()))
	_, err = w.reconcile()
	require.NoError(t, err)
	require.Empty(t, kept)
}

func TestTrimmingIsRepeatedAfterACrash(t *testing.T) {
	w := newWorld(t)
	w.create("hello", v1alpha1.ApplicationSpec{Sync: "pipeline", Lifecycle: v1alpha1.Lifecycle{HistoryLimit: 2}})
	kept := w.r.Store.Sets.(*sets).content
	for n := 1; n <= 2; n++ {
		w.version(fmt.Sprint("v", n))
		w.desire(fmt.Sprint("c", n), int64(n))
		w.settle()
	}
	gone := w.release(1).Spec.Rendered
	require.NoError(t, w.r.Store.Forget(context.Background(), "default", "hello", gone), "as if killed between the set and the release")
	w.version("v3")
	w.desire("c3", 3)
	w.settle()
	require.Equal(t, "3 2 ", w.numbers())
	require.Len(t, kept, 2)
}

func TestPinOutlivesRestartCommitsAndSync(t *testing.T) {
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "hello"}, Status: v1alpha1.RepositoryStatus{
		DefaultBranch: "main", Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c1", Sequence: 1}},
	}}
	ctx := context.Background()
	w := newWorld(t, repo)
	w.create("hello", v1alpha1.ApplicationSpec{Sync: "push"})
	registry := prometheus.NewRegistry()
	w.r.Metrics = NewMetrics(registry)
	follow := &SyncOnPush{Client: w.client, Reader: w.client, Log: w.r.Log}
	push := func(n int) {
		t.Helper()
		repo.Status.Refs["refs/heads/main"] = v1alpha1.RefStatus{Commit: fmt.Sprint("c", n), Sequence: int64(n)}
		require.NoError(t, w.client.Status().Update(ctx, repo))
		w.version(fmt.Sprint("v", n))
		_, err := follow.Reconcile(ctx, requestOf("hello"))
		require.NoError(t, err)
		w.settle()
	}
	push(1)
	push(2)
	require.NoError(t, w.r.Rollback(ctx, "default", "hello", 1, "ann"))
	held := func(commit string) {
		t.Helper()
		w.settle()
		app := w.app()
		require.EqualValues(t, 1, app.Status.Current)
		require.Equal(t, "Pinned", app.Status.Sync)
		require.Equal(t, "release 1 is pinned by ann; commit "+commit+" is desired after `slipway app unpin hello`", app.Status.Message)
		require.InDelta(t, 1, testutil.ToFloat64(w.r.Metrics.pinned), 0)
	}
	held("c2")
	push(3)
	held("c3")
	require.NoError(t, w.r.Sync(ctx, "default", "hello", "bob"))
	held("c3")
	again := *w.r // another process: nothing but what is written down
	again.Store = &Store{Sets: w.r.Store.Sets, Client: w.client, Reader: w.client}
	w.r = &again
	held("c3")
	push(4)
	held("c4")
	require.EqualValues(t, 2, w.app().Status.Last, "no release was begun meanwhile")

	require.NoError(t, w.r.Unpin(ctx, "default", "hello", "ann"))
	w.settle()
	app := w.app()
	require.Equal(t, "c4", w.release(app.Status.Current).Spec.Desired.Commit)
	require.Empty(t, app.Spec.PinnedBy)
	require.Zero(t, testutil.CollectAndCount(w.r.Metrics.pinned))
}

// secretRenderer gives one Secret, whose value is the commit's.
type secretRenderer struct{ values map[string]string }

func (secretRenderer) Inputs(context.Context, *v1alpha1.Application) (*v1alpha1.Inputs, error) {
	return nil, nil
}

func (s secretRenderer) set(values map[string]any, image string) *render.Set {
	set, err := render.NewSet([]*unstructured.Unstructured{
		{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s", "namespace": "default"}, "data": values}},
		{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "c", "namespace": "default"}, "data": map[string]any{"image": image}}},
	})
	if err != nil {
		panic(err)
	}
	return set
}

func (s secretRenderer) Render(_ context.Context, _ *v1alpha1.Application, d v1alpha1.Desired) (*render.Set, error) {
	data := map[string]any{"same": base64.StdEncoding.EncodeToString([]byte("planted-same"))}
	for k, v := range s.values {
		data[k] = base64.StdEncoding.EncodeToString([]byte(v))
	}
	image := "none"
	if len(d.Images) > 0 {
		image = d.Images[0].Digest + " " + s.values["token"]
	}
	return s.set(data, image), nil
}

// Threat 7: the comparison of releases shows that a Secret differs, and nothing of it.
func TestCompareReleases(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	d := &Deployer{Client: w.client}
	deploy := func(n int64, values map[string]string, image string) {
		t.Helper()
		w.r.Renderer = secretRenderer{values}
		require.NoError(t, d.Deploy(ctx, "default", "hello", v1alpha1.Source{Repository: "hello"}, v1alpha1.Desired{
			Commit: fmt.Sprint("c", n), Sequence: n, By: "ann", Images: []v1alpha1.Image{{Name: "shop", Digest: image, Commit: fmt.Sprint("c", n), Run: fmt.Sprint("shop-", n)}},
		}))
		w.settle()
	}
	deploy(1, map[string]string{"token": "planted-old", "gone": "planted-gone"}, "sha256:1")
	deploy(2, map[string]string{"token": "planted-new"}, "sha256:2")
	deploy(3, map[string]string{"token": "planted-new"}, "sha256:2")
	text, err := w.r.Compare(ctx, "default", "hello", 2, 0)
	require.NoError(t, err)
	require.NotContains(t, text, "planted")
	require.NotContains(t, text, base64.StdEncoding.EncodeToString([]byte("planted-new")))
	for _, want := range []string{
		"release 2 (commit c2, pipeline by ann), against release 1 (commit c1, pipeline by ann)\n",
		"image shop: sha256:2 of commit c2 (run shop-2), was sha256:1 of commit c1 (run shop-1)\n",
		"configured Secret/s\n", "-  gone: '*****'\n", "-  token: '***** (before)'\n", "+  token: '***** (after)'\n",
		"configured ConfigMap/c\n", "-  image: sha256:1 *****\n", "+  image: sha256:2 *****\n",
	} {
		require.Contains(t, text, want)
	}
	text, err = w.r.Compare(ctx, "default", "hello", 3, 2)
	require.NoError(t, err)
	require.Contains(t, text, "no object differs")
	text, err = w.r.Compare(ctx, "default", "hello", 1, 0)
	require.NoError(t, err)
	require.Contains(t, text, "the first one\n")
	require.Contains(t, text, "created Secret/s")
	require.NotContains(t, text, "planted")
	_, err = w.r.Compare(ctx, "default", "hello", 9, 0)
	require.ErrorContains(t, err, "release 9 is not in the history, which has 3, 2, 1")

	// Values that some other Secret has are hidden too.
	require.NoError(t, w.client.Create(ctx, secret("other", "sha256:2")))
	text, err = w.r.Compare(ctx, "default", "hello", 2, 1)
	require.NoError(t, err)
	require.Contains(t, text, "+  image: ***** *****")
}
