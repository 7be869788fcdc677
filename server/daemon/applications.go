package daemon

import (
	"context"

	"slipway.dev/gitops/release"
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

func (g applications) Delete(ctx context.Context, namespace, application, by string, cascade *bool) error {
	return g.Reconciler.Delete(ctx, namespace, application, cascade, by)
}
