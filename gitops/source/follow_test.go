package source

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/chart"
)

func TestInputs(t *testing.T) {
	ctx := context.Background()
	values := object("v", map[string]string{"values.yaml": "a: 1\n"})
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}, Spec: v1alpha1.ApplicationSpec{Sync: "push", Source: v1alpha1.Source{
		Helm: &v1alpha1.Helm{Repository: "https://charts.example", Chart: "shop", Version: "1.x", ValuesFrom: []v1alpha1.ValuesFrom{{Kind: "ConfigMap", Name: "v"}}},
	}}}
	w := newWorld(t, values, app)
	f := &Follower{Client: w.client, Reader: w.client, Inputs: w.r.Inputs, Log: slog.New(slog.DiscardHandler)}
	reconcile := func() *v1alpha1.Application {
		t.Helper()
		res, err := f.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(app)})
		require.NoError(t, err)
		require.Positive(t, res.RequeueAfter)
		require.NoError(t, w.client.Get(ctx, client.ObjectKeyFromObject(app), app))
		return app
	}
	got := reconcile()
	require.Nil(t, got.Spec.Desired)
	c := meta.FindStatusCondition(got.Status.Conditions, ConditionInputs)
	require.Equal(t, metav1.ConditionFalse, c.Status)
	require.Contains(t, c.Message, `no version "1.x"`)

	w.charts["https://charts.example shop 1.x"] = chart.Found{Version: "1.4.0", Digest: "sha256:1"}
	got = reconcile()
	require.EqualValues(t, 1, got.Spec.Desired.Sequence)
	require.Equal(t, "1.4.0", got.Spec.Desired.Inputs.Version)
	require.Empty(t, Waiting(got))
	first := got.Spec.Desired.DeepCopy()
	require.Equal(t, first, reconcile().Spec.Desired, "nothing new is nothing written")

	w.charts["https://charts.example shop 1.x"] = chart.Found{Version: "1.5.0", Digest: "sha256:2"}
	got = reconcile()
	require.EqualValues(t, 2, got.Spec.Desired.Sequence)
	require.Equal(t, "sha256:2", got.Spec.Desired.Inputs.Digest)
	require.Equal(t, v1alpha1.CauseInputs, got.Spec.Desired.Cause)

	old := *got.Spec.Desired
	values.Data["values.yaml"] = "a: 2\n"
	require.NoError(t, w.client.Update(ctx, values))
	_, err := w.r.Render(ctx, got, old)
	require.ErrorIs(t, err, ErrChanged, "a value is rendered with what it was written for, or not at all")
	got = reconcile()
	require.NotEqual(t, old.Inputs.Values, got.Spec.Desired.Inputs.Values)
	require.Equal(t, old.Inputs.Version, got.Spec.Desired.Inputs.Version)

	got.Spec.Source.Helm.Values = &runtime.RawExtension{Raw: []byte(`{"b":1}`)}
	require.NoError(t, w.client.Update(ctx, got))
	require.EqualValues(t, 4, reconcile().Spec.Desired.Sequence, "a change of the source is a new value, too")

	got.Spec.Sync = "manual"
	got.Spec.Source.Helm.Values = nil
	require.NoError(t, w.client.Update(ctx, got))
	_, err = f.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(app)})
	require.NoError(t, err)
	require.NoError(t, w.client.Get(ctx, client.ObjectKeyFromObject(app), app))
	require.EqualValues(t, 4, app.Spec.Desired.Sequence, "manual follows when somebody asks")

	// What a promotion brings is the chart; the values are added.
	app.Spec.Desired = &v1alpha1.Desired{Sequence: 9, Cause: v1alpha1.CausePromotion, Promotion: "shop-p1", Inputs: &v1alpha1.Inputs{Version: "1.1.0", Digest: "sha256:0"}}
	require.NotEmpty(t, Waiting(app))
	require.NoError(t, w.client.Update(ctx, app))
	_, err = f.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(app)})
	require.NoError(t, err)
	require.NoError(t, w.client.Get(ctx, client.ObjectKeyFromObject(app), app))
	require.Equal(t, "1.1.0 sha256:0 shop-p1", fmt.Sprint(app.Spec.Desired.Inputs.Version, " ", app.Spec.Desired.Inputs.Digest, " ", app.Spec.Desired.Promotion))
	require.Empty(t, Waiting(app))
}

// Inputs of a chart in a repository come after the commit, and keep its cause.
func TestInputsOfACommit(t *testing.T) {
	app := &v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{Source: v1alpha1.Source{Repository: "shop", Helm: &v1alpha1.Helm{}}}}
	require.Empty(t, Waiting(app))
	app.Spec.Desired = &v1alpha1.Desired{Commit: "c1", Sequence: 7, Cause: v1alpha1.CausePush, By: "ada"}
	require.NotEmpty(t, Waiting(app))
	require.True(t, Offer(app, &v1alpha1.Inputs{Values: "a"}))
	require.Equal(t, v1alpha1.CausePush, app.Spec.Desired.Cause)
	require.False(t, Offer(app, &v1alpha1.Inputs{Values: "a"}))
	require.True(t, Offer(app, &v1alpha1.Inputs{Values: "b"}))
	require.Equal(t, v1alpha1.Desired{Commit: "c1", Sequence: 7, Cause: v1alpha1.CauseInputs, By: "chart", Inputs: &v1alpha1.Inputs{Values: "b"}}, *app.Spec.Desired)
	require.False(t, Offer(app, nil))
}

// Threat 6 again: a Secret that is bound to no host is sent nowhere.
func TestCredentialsAreBound(t *testing.T) {
	bound := secret("bound", map[string]string{"username": "ada", "password": "planted"})
	bound.Annotations = map[string]string{v1alpha1.AnnotationHost: "charts.example"}
	w := newWorld(t, bound, secret("free", map[string]string{"password": "planted"}))
	app := w.app(v1alpha1.Source{Helm: &v1alpha1.Helm{Repository: "https://charts.example", Chart: "x", CredentialsSecret: "bound"}})
	cred, err := w.r.credentials(context.Background(), app)
	require.NoError(t, err)
	require.Equal(t, &chart.Credentials{Host: "charts.example", Username: "ada", Password: "planted"}, cred)
	for name, want := range map[string]string{"free": `annotate it with slipway.dev/host: "charts.example"`, "none": "is not there"} {
		app.Spec.Source.Helm.CredentialsSecret = name
		_, err = w.r.credentials(context.Background(), app)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "planted")
	}
}
