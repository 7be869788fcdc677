package release

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/watch"
)

// TestWhatIsKnownIsNoNews has an application looked at again for what was not seen, and for
// nothing else.
func TestWhatIsKnownIsNoNews(t *testing.T) {
	app := types.NamespacedName{Namespace: "default", Name: "hello"}
	object := v1alpha1.ObjectReference{Kind: "ConfigMap", Namespace: "default", Name: "c"}
	news := func(version string) watch.News {
		n := watch.News{Application: app, Version: version}
		if version != "" {
			n.Object = object
		}
		return n
	}
	var a attention
	require.False(t, a.hears(news("1")), "nothing is known")
	_, look := a.begin(context.Background(), app)
	require.True(t, a.hears(news("2")), "who looks sees to it")
	require.Len(t, look.word, 1)
	require.True(t, a.end(app, look), "nobody has seen the second version")
	require.False(t, a.hears(news("2")))

	_, look = a.begin(context.Background(), app)
	require.False(t, a.end(app, look), "nothing happened")
	_, look = a.begin(context.Background(), app)
	require.True(t, a.hears(news("")))
	require.True(t, a.end(app, look), "something is gone, or anything may have happened")
	require.False(t, a.hears(news("")))

	_, other := a.begin(context.Background(), types.NamespacedName{Namespace: "default", Name: "other"})
	require.False(t, a.hears(news("3")), "another application is looked at")
	require.False(t, a.end(types.NamespacedName{Namespace: "default", Name: "other"}, other))
}
