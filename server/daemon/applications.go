package daemon

import (
	"context"
	"io"

	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/release"
	sources "slipway.dev/gitops/source"
	"slipway.dev/server/api"
)

// applications is gitops in the words of api.Applications.
type applications struct{ *gitops }

func (g applications) Sync(ctx context.Context, namespace, application, by string, ask api.SyncAsk) error {
	return g.Reconciler.SyncWith(ctx, namespace, application, by, release.Ask(ask))
}

func (g applications) Preview(ctx context.Context, namespace, application string, ask api.SyncAsk) (string, error) {
	return g.Reconciler.Preview(ctx, namespace, application, release.Ask(ask))
}

func (g applications) DiffLocal(ctx context.Context, namespace, application string, archive io.Reader) (string, error) {
	return g.Reconciler.DiffTree(ctx, namespace, application, func(dir string) error { return sources.Unpack(archive, dir) })
}

func (g applications) Events(ctx context.Context, namespace, application string) ([]apply.Event, error) {
	return g.Reconciler.EventsOf(ctx, namespace, application)
}

// Refresh asks the forge where there is one, and looks at the objects.
func (g applications) Refresh(ctx context.Context, namespace, application string) error {
	var app slipway.Application
	if err := g.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: application}, &app); err != nil {
		return err
	}
	if name := app.Spec.Source.Repository; name != "" {
		var repo slipway.Repository
		if err := g.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &repo); err != nil {
			return err
		}
		if repo.Spec.URL != "" {
			if err := g.repos.Sync(ctx, namespace, name); err != nil {
				return err
			}
		}
	}
	g.Reconciler.Refresh(namespace, application)
	return nil
}

func (g applications) Delete(ctx context.Context, namespace, application, by string, cascade *bool) error {
	return g.Reconciler.Delete(ctx, namespace, application, cascade, by)
}
