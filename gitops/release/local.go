package release

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
)

// DiffTree says what would change if the tree that fill writes were the commit that is
// desired: rendered with the application's own settings, images and values, in a child, and
// compared as the apiserver sees it. Nothing is changed or kept.
func (r *Reconciler) DiffTree(ctx context.Context, namespace, application string, fill func(dir string) error) (string, error) {
	app := &v1alpha1.Application{}
	if err := r.Reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app); err != nil {
		return "", err
	}
	if err := r.inputs(ctx, app, ""); err != nil {
		return "", err
	}
	desired := v1alpha1.Desired{}
	if app.Spec.Desired != nil {
		desired = *app.Spec.Desired
	}
	known, err := r.masksOf(ctx, app)
	if err != nil {
		return "", err
	}
	said := func(masks masks, err error) error {
		if text := refusal(err); text != "" {
			return refused("application %s: %s", application, masks.hide(text))
		}
		return err
	}
	set, err := r.Trees.RenderTree(ctx, app, desired, fill)
	if err != nil {
		return "", said(known, err)
	}
	secrets := secretsOf(set.Objects)
	for _, v := range set.Hidden {
		secrets = append(secrets, corev1.Secret{Data: map[string][]byte{"": []byte(v)}})
	}
	known = known.and(secrets)
	plan, err := apply.NewPlan(set.Objects, max(app.Status.Current, 1), true)
	if err != nil {
		return "", said(known, err)
	}
	t, err := r.targetOf(ctx, app, app.Status.Current, plan)
	if err != nil {
		return "", err
	}
	changes, err := r.Applier.Diff(ctx, t, plan.Objects(), app.Status.Inventory)
	if err != nil {
		return "", said(known, err)
	}
	return known.hide(differences(changes)), nil
}
