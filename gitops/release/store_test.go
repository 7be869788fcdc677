package release

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

func metaOf(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "default", Name: name}
}

func keyOf(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "default", Name: name}
}

func requestOf(name string) ctrl.Request { return ctrl.Request{NamespacedName: keyOf(name)} }

func TestStoreSealsSecrets(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	set, err := render.NewSet([]*unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s"}, "stringData": map[string]any{"token": "planted-value"},
	}}})
	require.NoError(t, err)
	require.NoError(t, w.r.Store.Put(ctx, "default", "hello", set))
	kept := w.r.Store.Sets.(*sets).content
	require.Len(t, kept, 1)
	for name, data := range kept {
		require.Equal(t, sealedMark, string(data[:len(sealedMark)]), name)
		data[len(data)-1] ^= 1
		_, err := w.r.Store.Get(ctx, "default", "hello", set.Digest())
		require.ErrorContains(t, err, "does not open")
		data[len(data)-1] ^= 1
	}
	// Another process finds the same key in the cluster.
	other := &Store{Sets: w.r.Store.Sets, Client: w.client, Reader: w.client}
	again, err := other.Get(ctx, "default", "hello", set.Digest())
	require.NoError(t, err)
	require.Equal(t, set.Bytes(), again.Bytes())
}

func TestLastHealthyNeedsNoRegistry(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.desire("c1", 1)
	w.settle()
	w.r.Store.Sets = &sets{content: map[string][]byte{}}
	set, err := w.r.Store.LastHealthy(ctx, w.app(), 1)
	require.NoError(t, err)
	require.Equal(t, "v1", set.Objects[0].GetName())
	_, err = w.r.Store.LastHealthy(ctx, w.app(), 2)
	require.ErrorContains(t, err, "holds release 1, not 2")
	kept := &corev1.Secret{}
	require.NoError(t, w.client.Get(ctx, keyOf("hello-last-healthy"), kept))
	require.NotEmpty(t, kept.OwnerReferences)
	var _ client.Object = kept
}

func TestMasksHideValuesLongestFirst(t *testing.T) {
	m := newMasks([]corev1.Secret{*secret("a", "hunter2"), *secret("b", "hunter2-and-more"), *secret("c", "ab"), *secret("d", "line one is long\nline two is long")})
	require.Equal(t, "x ***** y ***** z ab", m.hide("x hunter2-and-more y hunter2 z ab"))
	require.Equal(t, "*****", m.hide(base64.StdEncoding.EncodeToString([]byte("hunter2"))))
	require.Equal(t, "saw ***** there", m.hide("saw line two is long there"))
	// A kubeconfig does not hide what every manifest has.
	m = newMasks([]corev1.Secret{*secret("k", "apiVersion: v1\nkind: Config\nusers:\n- name: deployer\n  user: {token: abcdefghijkl}\n")})
	require.Equal(t, "apiVersion: v1\nkind: ConfigMap\n- name: deployer\n", m.hide("apiVersion: v1\nkind: ConfigMap\n- name: deployer\n"))
	require.Equal(t, "saw *****", m.hide("saw user: {token: abcdefghijkl}"))
}

func TestDoomedPods(t *testing.T) {
	now := time.Now()
	pod := func(age time.Duration, restarts int32, reason string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "p", CreationTimestamp: metav1.NewTime(now.Add(-age))},
			Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
				Name: "web", RestartCount: restarts,
				State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "m"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error"}},
			}}},
		}
	}
	require.Empty(t, doomed(pod(time.Second, 0, "ContainerCreating"), now))
	require.Empty(t, doomed(pod(time.Second, 0, "ImagePullBackOff"), now))
	require.Contains(t, doomed(pod(time.Minute, 0, "ImagePullBackOff"), now), "ImagePullBackOff: m")
	require.Contains(t, doomed(pod(time.Second, 0, "InvalidImageName"), now), "InvalidImageName")
	require.Empty(t, doomed(pod(time.Minute, 2, "CrashLoopBackOff"), now))
	require.Equal(t, "Pod/p: container web keeps exiting (exit code 3, Error)", doomed(pod(time.Minute, 3, "CrashLoopBackOff"), now))

	// A deadline that passes first does not hide why.
	lacking := pod(time.Second, 0, "ErrImagePull")
	lacking.Status.ContainerStatuses[0].State.Waiting.Message = "registry.slipway.internal/default/shop:latest: not found"
	lacking.Spec.Containers = []corev1.Container{{Name: "web", Image: "registry.slipway.internal/default/shop"}}
	require.Contains(t, stuck([]corev1.Pod{*pod(time.Second, 0, "ContainerCreating"), *lacking}), "shop:latest: not found; an image without a digest")
	lacking.Spec.Containers[0].Image += ":v1"
	require.NotContains(t, stuck([]corev1.Pod{*lacking}), "without a digest")
	require.Empty(t, stuck(nil))
}

// away is a registry that does not answer.
type away struct{}

var errAway = errors.New("registry: connection refused")

func (away) Put(context.Context, string, string, string, io.Reader) (string, int64, error) {
	return "", 0, errAway
}
func (away) Get(context.Context, string, string) (io.ReadCloser, error) { return nil, errAway }
func (away) Delete(context.Context, string, string) error               { return errAway }

// absent is a repository whose forge is away and that has nothing here.
type absent struct{}

func (absent) Checkout(context.Context, string, string, string, string, string) error { return errAway }
func (absent) Commit(context.Context, string, string, string) (string, string, time.Time, error) {
	return "", "", time.Time{}, errAway
}

// unrendered cannot render anything.
type unrendered struct{ fixed }

func (unrendered) Render(context.Context, *v1alpha1.Application, v1alpha1.Desired) (*render.Set, error) {
	return nil, errAway
}

// TestRollbackWithRegistryAndForgeAway goes back by hand and by itself with neither.
func TestRollbackWithRegistryAndForgeAway(t *testing.T) {
	w := newWorld(t)
	for n, version := range []string{"v1", "v2", "v3"} {
		w.version(version)
		w.desire("c"+version, int64(n+1))
		w.settle()
	}
	// The next one fails while everything else is there.
	w.version("v4")
	w.cluster.health["v4"] = "InProgress"
	w.desire("c4", 4)
	w.settle()
	w.r.Store.Sets, w.r.Source, w.r.Renderer = away{}, absent{}, unrendered{}
	w.cluster.health["v4"] = "Failed"
	w.settle()
	require.EqualValues(t, 3, w.app().Status.Current, w.app().Status.Message)
	require.Equal(t, "Healthy/Failed", w.app().Status.Health+"/"+w.app().Status.Sync)

	require.NoError(t, w.r.Rollback(t.Context(), "default", "hello", 2, "ada"))
	w.settle()
	require.EqualValues(t, 2, w.app().Status.Current, w.app().Status.Message)
	require.Equal(t, "Healthy/Pinned", w.app().Status.Health+"/"+w.app().Status.Sync)
	require.Equal(t, "v2", w.cluster.applied[len(w.cluster.applied)-1])

	// Older ones are in the registry only, and what runs goes on.
	require.NoError(t, w.r.Rollback(t.Context(), "default", "hello", 1, "ada"))
	_, err := w.reconcile()
	require.ErrorContains(t, err, "connection refused")
	require.EqualValues(t, 2, w.app().Status.Current)

	// Where there is a mirror of the forge, they are rendered again.
	w.version("v1")
	w.settle()
	require.EqualValues(t, 1, w.app().Status.Current, w.app().Status.Message)
	require.Equal(t, "Healthy/Pinned", w.app().Status.Health+"/"+w.app().Status.Sync)
}
