package daemon

import (
	"bytes"
	"context"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"net/url"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/hook"
)

// deliver a webhook: what it says of a merge request is written down, then the
// repository is looked at, which is not waited for.
func (g *gitops) deliver(ctx context.Context, d hook.Delivery) (string, error) {
	message := "the repository is looked at"
	if m := d.Event.MergeRequest; m != nil {
		var err error
		if message, err = g.repos.MergeRequest(ctx, d.Namespace, d.Repository, *m); err != nil {
			return "", err
		}
	}
	g.repos.Kick(d.Namespace, d.Repository)
	return message, nil
}

// webhookTarget reads the key "token" of the Secret that a repository names, and what
// its forge calls it.
func webhookTarget(c client.Reader) func(context.Context, string, string) (hook.Target, error) {
	secrets := &hook.Secrets{Read: func(ctx context.Context, ns, name string) ([]byte, error) {
		var secret corev1.Secret
		err := c.Get(ctx, client.ObjectKey{Namespace: ns, Name: name}, &secret)
		// The line break of the file that a secret was made from is nobody's meaning.
		return bytes.TrimRight(secret.Data["token"], "\r\n"), client.IgnoreNotFound(err)
	}}
	return func(ctx context.Context, ns, name string) (hook.Target, error) {
		var repo slipway.Repository
		err := c.Get(ctx, client.ObjectKey{Namespace: ns, Name: name}, &repo)
		if apierrors.IsNotFound(err) || err == nil && repo.Spec.WebhookSecret == "" {
			return hook.Target{}, nil
		}
		if err != nil {
			return hook.Target{}, err
		}
		token, err := secrets.Get(ctx, ns, repo.Spec.WebhookSecret)
		return hook.Target{Secret: token, Path: forgePath(&repo)}, err
	}
}

// forgePath is what the forge calls the repository; empty where it is hosted here.
func forgePath(repo *slipway.Repository) string {
	if f := repo.Spec.Forge; f != nil && f.Project != "" && repo.Spec.URL != "" {
		return f.Project
	}
	if repo.Spec.URL == "" {
		return ""
	}
	u, err := url.Parse(repo.Spec.URL)
	if err != nil || u.Path == "" {
		return "/" // no forge calls one so
	}
	return u.Path
}
