package release

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// sized is a set that takes about so many bytes when it is packed.
func sized(t *testing.T, name string, bytes int) *render.Set {
	t.Helper()
	noise := make([]byte, bytes)
	for i := range noise {
		noise[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[rand.IntN(64)]
	}
	set, err := render.NewSet([]*unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": map[string]any{"noise": string(noise)},
	}}})
	require.NoError(t, err)
	return set
}

// unmade is an application that owns what is kept of it.
func unmade() *v1alpha1.Application {
	app := &v1alpha1.Application{ObjectMeta: metaOf("hello")}
	app.UID = "1"
	return app
}

// TestKeepHoldsTwoSets keeps the last healthy set and the one before it, in one Secret
// where that holds both.
func TestKeepHoldsTwoSets(t *testing.T) {
	for name, c := range map[string]struct {
		bytes, secrets int
	}{
		"small": {1 << 10, 1},
		"large": {800 << 10, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			app := unmade()
			var kept []*render.Set
			for n := int64(1); n <= 4; n++ {
				set := sized(t, "v"+strconv.FormatInt(n, 10), c.bytes)
				kept = append(kept, set)
				require.NoError(t, w.r.Store.Keep(t.Context(), app, n, set))
				require.NoError(t, w.r.Store.Keep(t.Context(), app, n, set), "again")
			}
			for n, set := range kept {
				got, err := w.r.Store.Kept(t.Context(), app, set.Digest())
				if n < 2 {
					require.ErrorContains(t, err, "not kept")
					continue
				}
				require.NoError(t, err)
				require.Equal(t, set.Bytes(), got.Bytes())
			}
			last, err := w.r.Store.LastHealthy(t.Context(), app, 4)
			require.NoError(t, err)
			require.Equal(t, kept[3].Digest(), last.Digest())

			// The same release with another set leaves the one before alone.
			other := sized(t, "other", c.bytes)
			require.NoError(t, w.r.Store.Keep(t.Context(), app, 4, other))
			_, err = w.r.Store.Kept(t.Context(), app, kept[2].Digest())
			require.NoError(t, err)

			err = w.client.Get(t.Context(), keyOf(app.Name+healthyBefore), &corev1.Secret{})
			require.Equal(t, c.secrets == 1, apierrors.IsNotFound(err), err)
		})
	}
}

// TestKeptOfBefore reads what an older server kept, in a Secret for each set.
func TestKeptOfBefore(t *testing.T) {
	w := newWorld(t)
	app := unmade()
	first, second, third := sized(t, "v1", 100), sized(t, "v2", 100), sized(t, "v3", 100)
	require.NoError(t, w.r.Store.Keep(t.Context(), app, 2, second))
	text, err := first.Stored()
	require.NoError(t, err)
	data, err := pack(text)
	require.NoError(t, err)
	require.NoError(t, w.r.Store.keepBefore(t.Context(), app, kept{[]byte("1"), []byte(first.Digest()), data}))
	for _, set := range []*render.Set{first, second} {
		_, err := w.r.Store.Kept(t.Context(), app, set.Digest())
		require.NoError(t, err)
	}
	require.NoError(t, w.r.Store.Keep(t.Context(), app, 3, third))
	for _, set := range []*render.Set{second, third} {
		_, err := w.r.Store.Kept(t.Context(), app, set.Digest())
		require.NoError(t, err)
	}
}
