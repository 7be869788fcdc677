package daemon

import (
	"context"

	"slipway.dev/gitops/release"
	"slipway.dev/server/api"
)

// promotions is gitops' in the words of api.Promotions.
type promotions struct{ *release.Promotions }

func (p promotions) Approve(ctx context.Context, namespace, name string, who api.User) error {
	return p.Promotions.Approve(ctx, namespace, name, release.Person{Name: who.Name, Groups: who.Groups})
}

func (p promotions) Reject(ctx context.Context, namespace, name string, who api.User) error {
	return p.Promotions.Reject(ctx, namespace, name, release.Person{Name: who.Name, Groups: who.Groups})
}
