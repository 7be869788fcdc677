package release

import (
	"context"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/revision"
)

// Followers names the applications that take what a run of a ref other than the default
// branch builds: those that an ApplicationSet made for it, and those that follow the tag
// that it is. Those of forks are not among them: nothing that a stranger's pipeline built
// is deployed. Why others of the repository that follow tags do not take it is said too.
func (d *Deployer) Followers(ctx context.Context, namespace, repository, ref, commit string) (names, others []string, err error) {
	tag := strings.HasPrefix(ref, v1alpha1.TagRef(""))
	list, only := &v1alpha1.ApplicationList{}, []client.ListOption{client.InNamespace(namespace)}
	if !tag {
		only = append(only, client.MatchingLabels{v1alpha1.LabelRepository: repository}, client.HasLabels{v1alpha1.LabelApplicationSet})
	}
	if err := d.Client.List(ctx, list, only...); err != nil {
		return nil, nil, err
	}
	for i := range list.Items {
		app := &list.Items[i]
		if app.Spec.Sync != "pipeline" || app.Spec.Source.Repository != repository || app.Labels[v1alpha1.LabelUntrusted] != "" || !app.DeletionTimestamp.IsZero() {
			continue
		}
		if !app.Spec.Source.Fixed() {
			if app.Labels[v1alpha1.LabelApplicationSet] != "" && app.Annotations[v1alpha1.AnnotationRef] == ref {
				names = append(names, app.Name)
			}
			continue
		}
		switch why := revision.Offers(app, ref, commit); {
		case why == "":
			names = append(names, app.Name)
		case tag:
			others = append(others, app.Name+" "+why)
		}
	}
	slices.Sort(names)
	slices.Sort(others)
	return names, others, nil
}

// Follows says why an application does not take what a run of the default branch builds, in
// words that follow its name; empty: it does, or it is not there yet.
func (d *Deployer) Follows(ctx context.Context, namespace, application, ref, commit string) (why string, err error) {
	app := &v1alpha1.Application{}
	err = d.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return revision.Offers(app, ref, commit), nil
}
