package apply

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// TestClaimsDefinitionsAndNamespacesAreNeverPruned, whoever asks and why: with them goes
// what nobody can put back.
func TestClaimsDefinitionsAndNamespacesAreNeverPruned(t *testing.T) {
	ours := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{
			v1alpha1.LabelApplication: "web", v1alpha1.LabelApplicationNamespace: "shop",
		}}
	}
	definition := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}}
	definition.SetName("things.example.com")
	definition.SetLabels(ours("", "").Labels)
	claim, space, config := &corev1.PersistentVolumeClaim{ObjectMeta: ours("shop", "data")}, &corev1.Namespace{ObjectMeta: ours("", "more")}, &corev1.ConfigMap{ObjectMeta: ours("shop", "c")}
	gone := []v1alpha1.ObjectReference{
		{Version: "v1", Kind: "PersistentVolumeClaim", Namespace: "shop", Name: "data"}, {Version: "v1", Kind: "Namespace", Name: "more"},
		{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition", Name: "things.example.com"},
		{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "c"},
	}
	for _, why := range []Why{Left, Confirmed, Deleted} {
		a, c := setup(t, claim.DeepCopy(), space.DeepCopy(), config.DeepCopy(), definition.DeepCopy())
		extra, err := a.Prune(t.Context(), shop, gone, why)
		require.NoError(t, err)
		require.Empty(t, extra)
		require.Error(t, c.Get(t.Context(), client.ObjectKeyFromObject(config), &corev1.ConfigMap{}), "what may go goes")
		require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(claim), &corev1.PersistentVolumeClaim{}))
		require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(space), &corev1.Namespace{}))
		require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(definition), definition.DeepCopy()))
	}
}
