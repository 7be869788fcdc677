package release

import (
	"cmp"
	"context"

	"slipway.dev/cluster/api/v1alpha1"
)

// Stop ends the rollout that is under way, as if it had failed: evidence is kept, its hooks
// are ended, what was healthy before is put back, and the value is not tried again by itself.
func (r *Reconciler) Stop(ctx context.Context, namespace, application, by string) error {
	return r.change(ctx, namespace, application, func(app *v1alpha1.Application) error {
		last, err := r.release(ctx, app, app.Status.Last)
		if err != nil {
			return err
		}
		if last == nil || finished(last) {
			return refused("application %s: no release is rolling out, so there is nothing to stop; `slipway app rollback %s` puts an earlier one back", application, application)
		}
		app.Spec.Stop = &v1alpha1.Stop{Release: last.Spec.Number, By: by}
		r.Log.Info("stop", "namespace", namespace, "application", application, "release", last.Spec.Number, "by", by)
		return nil
	})
}

// stopped says by whom a rollout was stopped, or nothing.
func stopped(app *v1alpha1.Application, rel *v1alpha1.Release) string {
	if stop := app.Spec.Stop; stop != nil && stop.Release == rel.Spec.Number {
		return "stopped by " + cmp.Or(stop.By, "a person")
	}
	return ""
}
