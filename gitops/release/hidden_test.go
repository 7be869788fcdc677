package release

import (
	"bytes"
	"context"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/gitops/render"
)

// Threat 7: what was secret before it was rendered is sealed and masked wherever the
// set has it, also after a restart.
func TestHiddenValuesOfASet(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	set, err := render.NewSet([]*unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "c"}, "data": map[string]any{"x": "planted-value"},
	}}})
	require.NoError(t, err)
	set.Hidden = []string{"planted-value"}
	require.NoError(t, w.r.Store.Put(ctx, "default", "hello", set))
	for _, kept := range w.r.Store.Sets.(*sets).content {
		require.True(t, bytes.HasPrefix(kept, []byte(sealedMark)))
		require.False(t, bytes.Contains(kept, []byte("planted-value")))
	}
	m, err := w.r.masks(ctx, "default")
	require.NoError(t, err)
	require.Contains(t, m.hide("planted-value"), "planted-value", "nobody has read it yet")

	again, err := w.r.Store.Get(ctx, "default", "hello", set.Digest())
	require.NoError(t, err)
	require.Equal(t, set.Hidden, again.Hidden)
	for _, text := range []string{"it is planted-value.", base64.StdEncoding.EncodeToString([]byte("planted-value"))} {
		m, err = w.r.masks(ctx, "default")
		require.NoError(t, err)
		require.NotContains(t, m.hide(text), text)
		require.Contains(t, m.hide(text), hidden)
		m, err = w.r.masks(ctx, "other")
		require.NoError(t, err)
		require.Equal(t, text, m.hide(text))
	}

	w.desire("c1", 1)
	require.NoError(t, w.r.Store.Keep(ctx, w.app(), 1, set))
	fresh := &Store{Sets: w.r.Store.Sets, Client: w.client, Reader: w.client}
	kept, err := fresh.LastHealthy(ctx, w.app(), 1)
	require.NoError(t, err)
	require.Equal(t, set.Hidden, kept.Hidden)
	require.Len(t, fresh.hiding("default"), 1)
}

// A short value is hidden where it stands by itself, and does not spoil what it is a part of.
func TestShortValuesAreHiddenAsWords(t *testing.T) {
	m := newMasks([]corev1.Secret{{Data: map[string][]byte{"username": []byte("ada"), "pin": []byte("1a-2"), "password": []byte("planted")}}})
	require.Equal(t, "metadata: {user: *****, url: https://*****:*****@x, b: *****, p: *****}", m.hide("metadata: {user: ada, url: https://ada:planted@x, b: YWRh, p: 1a-2}"))
	require.Equal(t, "x*****x", m.hide("xplantedx"), "a long one anywhere")
}
