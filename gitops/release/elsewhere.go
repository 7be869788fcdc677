package release

import (
	"cmp"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/source"
)

// answered is an error for who asked about an application: what is wrong with another cluster,
// or with the way there, is for them to read.
func answered(app *v1alpha1.Application, err error) error {
	switch {
	case err == nil, app == nil, apierrors.ReasonForError(err) != "":
		return err
	case refusal(err) != "":
		return refused("application %s: %s", app.Name, refusal(err))
	case app.Spec.Cluster != nil:
		return apierrors.NewServiceUnavailable(fmt.Sprintf("application %s: %s", app.Name, oneLine(elsewhere(app, err))))
	}
	return err
}

// nothing is the answer to who asks for what is desired, where nothing is yet.
func nothing(app *v1alpha1.Application) error {
	return refused("application %s: %s", app.Name, cmp.Or(source.Waiting(app), source.NothingDesired(app)))
}

// elsewhere says of an error of another cluster that it is that, and where the way there is
// written down.
func elsewhere(app *v1alpha1.Application, err error) string {
	if app.Spec.Cluster == nil || strings.HasPrefix(err.Error(), "cluster") {
		return err.Error()
	}
	return fmt.Sprintf("cluster of Secret %s: %v", app.Spec.Cluster.KubeconfigSecret, err)
}
