package watch

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/fake"

	"slipway.dev/cluster/api/v1alpha1"
)

var (
	configMaps = corev1.SchemeGroupVersion.WithResource("configmaps")
	configMap  = corev1.SchemeGroupVersion.WithKind("ConfigMap")
)

func name(app string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: app}
}

// eyes is a Watcher on a cluster in memory and whom it told.
func eyes(t *testing.T, limit int) (w *Watcher, c Cluster, cluster *fake.FakeMetadataClient, told func() string) {
	t.Helper()
	scheme := fake.NewTestScheme()
	require.NoError(t, metav1.AddMetaToScheme(scheme))
	cluster = fake.NewSimpleMetadataClient(scheme)
	seen := make(chan types.NamespacedName, 1000)
	mapper := meta.NewDefaultRESTMapper(nil)
	for i := range 5 {
		mapper.Add(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: fmt.Sprint("Thing", i)}, meta.RESTScopeNamespace)
	}
	for _, k := range []string{"ConfigMap", "Secret", "Pod"} {
		mapper.Add(corev1.SchemeGroupVersion.WithKind(k), meta.RESTScopeNamespace)
	}
	w = &Watcher{
		Notify: func(n News) { seen <- n.Application }, Limit: limit, Log: slog.New(slog.DiscardHandler),
		Home: func(_ context.Context, ns string) string { return ns },
		open: func(Cluster) (metadata.Interface, error) { return cluster, nil },
	}
	return w, Cluster{Mapper: mapper}, cluster, func() string {
		synctest.Wait()
		out := map[string]bool{}
		for len(seen) > 0 {
			out[(<-seen).Name] = true
		}
		return fmt.Sprint(out)
	}
}

func object(name string, labels map[string]string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labels},
	}
}

func TestAChangeTellsItsApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, cluster, told := eyes(t, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Start(ctx) }()
		for _, app := range []string{"web", "api"} {
			all, err := w.Want(name(app), c, Wish{Kinds: []schema.GroupVersionKind{configMap}})
			require.NoError(t, err)
			require.True(t, all)
		}
		require.Equal(t, 1, w.Count(), "one watch serves all")
		require.Equal(t, "map[api:true web:true]", told(), "whatever happened before it began")

		maps := cluster.Resource(configMaps).Namespace("shop").(fake.MetadataClient)
		_, err := maps.CreateFake(object("c", map[string]string{v1alpha1.LabelApplication: "web"}), metav1.CreateOptions{})
		require.NoError(t, err)
		require.Equal(t, "map[web:true]", told())
		_, err = maps.UpdateFake(object("c", map[string]string{v1alpha1.LabelApplication: "api", v1alpha1.LabelApplicationNamespace: "shop"}), metav1.UpdateOptions{})
		require.NoError(t, err)
		require.Equal(t, "map[api:true]", told())
		require.NoError(t, maps.Delete(ctx, "c", metav1.DeleteOptions{}))
		require.Equal(t, "map[api:true]", told())

		w.Forget(name("web"))
		require.Equal(t, 1, w.Count())
		w.Forget(name("api"))
		require.Zero(t, w.Count(), "the watch ends with the last that wants it")
		cancel()
		require.NoError(t, <-done)
	})
}

func TestConfigurationOfOthersIsWatchedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, cluster, told := eyes(t, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Start(ctx) }()
		_, err := w.Want(name("web"), c, Wish{Configs: []Config{{"ConfigMap", "shop", "settings"}}})
		require.NoError(t, err)
		_, err = w.Want(name("api"), c, Wish{Configs: []Config{{"ConfigMap", "shop", "others"}}})
		require.NoError(t, err)
		told()
		maps := cluster.Resource(configMaps).Namespace("shop").(fake.MetadataClient)
		_, err = maps.CreateFake(object("settings", nil), metav1.CreateOptions{})
		require.NoError(t, err)
		require.Equal(t, "map[web:true]", told())
		_, err = w.Want(name("web"), c, Wish{})
		require.NoError(t, err)
		_, err = maps.UpdateFake(object("settings", map[string]string{"a": "b"}), metav1.UpdateOptions{})
		require.NoError(t, err)
		require.Equal(t, "map[]", told())
		cancel()
		require.NoError(t, <-done)
	})
}

func TestWatchesAreBounded(t *testing.T) {
	w, c, _, _ := eyes(t, 3)
	kind := func(i int) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: fmt.Sprint("Thing", i)}
	}
	for i := range 5 {
		all, err := w.Want(name(fmt.Sprint("app", i)), c, Wish{Kinds: []schema.GroupVersionKind{kind(i)}})
		require.NoError(t, err)
		require.Equal(t, i < 3, all)
	}
	require.Equal(t, 3, w.Count())
	w.Forget(name("app0"))
	all, err := w.Want(name("app4"), c, Wish{Kinds: []schema.GroupVersionKind{kind(4)}})
	require.NoError(t, err)
	require.True(t, all, "one that is free again is given to who asks next")
	all, err = w.Want(name("app4"), c, Wish{Kinds: []schema.GroupVersionKind{{Group: "example.com", Version: "v1", Kind: "Unknown"}}})
	require.NoError(t, err)
	require.False(t, all)
}
