package apply

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
)

// TestUnchanged is in doubt, unless an object is what was written last and is so still.
func TestUnchanged(t *testing.T) {
	desired := func(release, value string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": value},
			"metadata": map[string]any{"name": "c", "namespace": "default", "labels": map[string]any{v1alpha1.LabelApplication: "hello", v1alpha1.LabelRelease: release}},
		}}
	}
	live := func(change func(map[string]any)) *unstructured.Unstructured {
		o := desired("hello-1", "1")
		o.SetResourceVersion("7")
		require.NoError(t, unstructured.SetNestedSlice(o.Object, []any{map[string]any{"manager": FieldManager, "fieldsV1": map[string]any{"f:data": map[string]any{}}}}, "metadata", "managedFields"))
		if change != nil {
			change(o.Object)
		}
		return o
	}
	was := reference(live(nil))
	target := Target{Namespace: "default", Application: "hello", Release: 2}
	was.Owned, was.Applied = owned(live(nil)), target.digest(desired("hello-1", "1"))
	require.NotEmpty(t, was.Applied)
	target.Known = []v1alpha1.ObjectReference{was}

	require.True(t, target.unchanged(desired("hello-2", "1"), live(nil)), "only the name of the release differs")
	require.True(t, target.unchanged(desired("hello-2", "1"), live(func(o map[string]any) { o["data"].(map[string]any)["b"] = "somebody else's" })))
	for name, c := range map[string]struct {
		desired, live *unstructured.Unstructured
		target        func(*Target)
	}{
		"another value":          {desired("hello-2", "2"), live(nil), nil},
		"gone":                   {desired("hello-2", "1"), nil, nil},
		"changed in our name":    {desired("hello-2", "1"), live(func(o map[string]any) { o["data"].(map[string]any)["a"] = "3" }), nil},
		"a field of ours is not": {desired("hello-2", "1"), live(func(o map[string]any) { delete(o["data"].(map[string]any), "a") }), nil},
		"taken from us":          {desired("hello-2", "1"), live(func(o map[string]any) { delete(o["metadata"].(map[string]any), "managedFields") }), nil},
		"going": {desired("hello-2", "1"), live(func(o map[string]any) {
			o["metadata"].(map[string]any)["deletionTimestamp"] = "2026-11-29T00:00:00Z"
		}), nil},
		"unknown":            {desired("hello-2", "1"), live(nil), func(t *Target) { t.Known = nil }},
		"of before":          {desired("hello-2", "1"), live(nil), func(t *Target) { t.Known[0].Applied = "" }},
		"of another account": {desired("hello-2", "1"), live(nil), func(t *Target) { t.Account = "narrow" }},
		"in another cluster": {desired("hello-2", "1"), live(nil), func(t *Target) { t.Cluster = &v1alpha1.ClusterReference{KubeconfigSecret: "far"} }},
		"left the set":       {desired("hello-2", "1"), live(nil), func(t *Target) { t.Known[0].Extra = ExtraKept }},
		"to be replaced":     {desired("hello-2", "1"), live(nil), func(t *Target) { t.Options.Replace = true }},
		"left to somebody": {desired("hello-2", "1"), live(nil), func(t *Target) {
			t.Ignore = []v1alpha1.IgnoreDifference{{Group: "*", Kind: "*", Managers: []string{"x"}}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			target := target
			target.Known = []v1alpha1.ObjectReference{was}
			if c.target != nil {
				c.target(&target)
			}
			require.False(t, target.unchanged(c.desired, c.live))
		})
	}
	secret := desired("hello-1", "1")
	secret.SetKind("Secret")
	require.Empty(t, target.digest(secret), "nothing is said of secrets, not even whether they are the same")
}

func TestHolds(t *testing.T) {
	for name, c := range map[string]struct {
		have, want any
		holds      bool
	}{
		"more":       {map[string]any{"a": int64(1), "b": "x"}, map[string]any{"a": int64(1)}, true},
		"less":       {map[string]any{}, map[string]any{"a": int64(1)}, false},
		"other":      {map[string]any{"a": int64(2)}, map[string]any{"a": int64(1)}, false},
		"within":     {[]any{map[string]any{"a": "b", "c": "d"}}, []any{map[string]any{"a": "b"}}, true},
		"longer":     {[]any{"a", "b"}, []any{"a"}, false},
		"other kind": {"a", map[string]any{}, false},
		"null":       {map[string]any{}, map[string]any{"a": nil}, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.holds, holds(c.have, c.want)) })
	}
}

func TestSeen(t *testing.T) {
	_, s := Looking(context.Background())
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "default", "resourceVersion": "5", "generation": int64(2)},
		"status": map[string]any{"observedGeneration": int64(1)},
	}}
	s.note(o, false)
	ref := reference(o)
	require.Equal(t, "5", s.Version(ref))
	require.True(t, s.Unobserved(ref))
	require.Nil(t, s.same(o))
	require.NoError(t, unstructured.SetNestedField(o.Object, int64(2), "status", "observedGeneration"))
	s.note(o, true)
	require.False(t, s.Unobserved(ref))
	require.Same(t, o, s.same(o))
	require.Equal(t, map[v1alpha1.ObjectReference]string{identity(ref): "5"}, s.Versions())
	var none *Seen
	none.note(o, true)
	require.Nil(t, none.same(o))
	require.Empty(t, none.Version(ref))
	require.Empty(t, none.Versions())
}
