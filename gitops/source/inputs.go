package source

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/chart"
)

// Inputs says what a chart would be rendered with now: the version that its range means,
// and its values. Nil for an application without a chart of spec.source.helm.
func (r *Renderer) Inputs(ctx context.Context, app *v1alpha1.Application) (*v1alpha1.Inputs, error) {
	h := app.Spec.Source.Helm
	if h == nil {
		return nil, nil
	}
	key, err := r.Key(ctx)
	if err != nil {
		return nil, err
	}
	values, err := r.values(ctx, app, &hidden{})
	if err != nil {
		return nil, err
	}
	now := metav1.Now()
	in := &v1alpha1.Inputs{Values: valuesDigest(key, app, values), At: &now}
	if h.Repository == "" {
		return in, nil
	}
	if d := app.Spec.Desired; d != nil && d.Inputs != nil && d.Inputs.Digest != "" && d.Inputs.Values == "" {
		// A promotion brings the chart, and the values are the application's own.
		in.Version, in.Digest, in.At = d.Inputs.Version, d.Inputs.Digest, d.Inputs.At
		return in, nil
	}
	cred, err := r.credentials(ctx, app)
	if err != nil {
		return nil, err
	}
	found, err := r.Charts.Resolve(ctx, chart.Ref{
		Namespace: app.Namespace, Repository: h.Repository, Chart: h.Chart, Version: h.Version, Credentials: cred,
	})
	if err != nil {
		return nil, err
	}
	in.Version, in.Digest = found.Version, found.Digest
	return in, nil
}

// SameInputs compares them, but for when they were found. Those without values mean
// whatever the application has.
func SameInputs(a, b *v1alpha1.Inputs) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Version == b.Version && a.Digest == b.Digest && (a.Values == b.Values || a.Values == "" || b.Values == "")
}

// complete says whether inputs say all that a rendering needs.
func complete(in *v1alpha1.Inputs) bool { return in != nil && in.Values != "" }
