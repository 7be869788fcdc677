package release

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// sight is how the pods, events and Secrets of an application are looked at.
type sight struct {
	reader client.Reader
	kube   kubernetes.Interface
	// away is true of another cluster, where not everything may be allowed.
	away bool
}

func (r *Reconciler) sight(ctx context.Context, app *v1alpha1.Application) (sight, error) {
	if app.Spec.Cluster == nil {
		return sight{reader: r.Reader, kube: r.Pods}, nil
	}
	reader, kube, err := r.Applier.Sight(ctx, r.target(app, 0))
	return sight{reader: reader, kube: kube, away: true}, err
}

// podsOf an application, where they are.
func (s sight) podsOf(ctx context.Context, app *v1alpha1.Application) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	err := s.reader.List(ctx, list, client.InNamespace(destination(app)), client.MatchingLabels{v1alpha1.LabelApplication: app.Name})
	if s.away && apierrors.IsForbidden(err) {
		return nil, nil
	}
	return list.Items, err
}

// masksOf hides what the Secrets of an application hold: those beside it, and those
// where its objects are.
func (r *Reconciler) masksOf(ctx context.Context, app *v1alpha1.Application) (masks, error) {
	if app.Spec.Cluster == nil {
		return r.masks(ctx, app.Namespace, destination(app))
	}
	home, err := r.masks(ctx, app.Namespace)
	if err != nil {
		return masks{}, err
	}
	s, err := r.sight(ctx, app)
	if err != nil {
		return masks{}, err
	}
	list := &corev1.SecretList{}
	if err := s.reader.List(ctx, list, client.InNamespace(destination(app))); err != nil {
		return masks{}, err
	}
	return home.and(list.Items), nil
}
