package apply

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

func preview(name, tenant string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelPreviewOf: tenant}}}
}

// Threat 14: a tenant writes in its own namespace and in its previews, as the deployer of
// that namespace, and nowhere else.
func TestDestinationBelongsToTheTenant(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct{ name, destination, namespace, want string }{
		{"its preview", "shop-pr-1", "shop-pr-1", ""},
		{"another's preview", "other-pr-1", "other-pr-1", `namespace "other-pr-1" does not belong to "shop"`},
		{"any namespace", "trusted", "trusted", `namespace "trusted" does not belong to "shop"`},
		{"the tenant's own from a preview", "shop-pr-1", "shop", `names namespace "shop"; an application may write only in namespace "shop-pr-1"`},
		{"one that is gone", "shop-pr-2", "shop-pr-2", `namespace "shop-pr-2" does not exist`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, cluster := setup(t, preview("shop-pr-1", "shop"), preview("other-pr-1", "other"))
			var acted []string
			a.connect = func(namespace, account string) (client.Client, error) {
				require.Equal(t, v1alpha1.DeployerServiceAccount, account)
				acted = append(acted, namespace)
				return cluster, nil
			}
			target := Target{Namespace: "shop", Application: "web", Release: 1, Destination: c.destination}
			set := parse(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: "+c.namespace+"}")
			_, err := a.Check(ctx, target, set)
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				if c.namespace == c.destination {
					// Without the check, the tenant's own deployer would ask, whose roles end here.
					_, _ = a.Apply(ctx, target, set)
					require.Equal(t, []string{"shop"}, acted)
				}
				return
			}
			require.NoError(t, err)
			_, err = a.Apply(ctx, target, set)
			require.NoError(t, err)
			_, err = a.Prune(ctx, target, Inventory(set), Left)
			require.NoError(t, err)
			require.Equal(t, []string{c.destination}, acted)
			err = cluster.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: "c"}, &corev1.ConfigMap{})
			require.True(t, apierrors.IsNotFound(err))
		})
	}
}

func TestPruneLeavesNamespacesOfOthersAlone(t *testing.T) {
	ctx := context.Background()
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "trusted", Name: "c", Labels: map[string]string{v1alpha1.LabelApplication: "web"}}}
	a, cluster := setup(t, theirs)
	gone := []v1alpha1.ObjectReference{
		{Version: "v1", Kind: "ConfigMap", Namespace: "trusted", Name: "c"},
		{Version: "v1", Kind: "ConfigMap", Namespace: "removed-long-ago", Name: "c"},
	}
	_, err := a.Prune(ctx, Target{Namespace: "shop", Application: "web"}, gone, Left)
	require.NoError(t, err)
	require.NoError(t, cluster.Get(ctx, client.ObjectKeyFromObject(theirs), &corev1.ConfigMap{}))
}
