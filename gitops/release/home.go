package release

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// index has the cache find what the reconciler asks for by other fields than names.
func index(i client.FieldIndexer) error {
	ctx := context.Background()
	return errors.Join(
		i.IndexField(ctx, &v1alpha1.Application{}, indexNeeds, needsOf),
		i.IndexField(ctx, &v1alpha1.Release{}, indexReleases, applicationOf),
	)
}

// home is the namespace that the Applications behind objects of a namespace are in: the
// tenant's for a preview, else the namespace itself. c may be a cache.
func home(ctx context.Context, c client.Reader, namespace string) string {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := c.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return namespace
	}
	if tenant := ns.Labels[v1alpha1.LabelPreviewOf]; tenant != "" {
		return tenant
	}
	return namespace
}
