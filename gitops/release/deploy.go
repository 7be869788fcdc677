package release

import (
	"context"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/revision"
)

// Deployer writes desired values for pipelines and waits for what becomes of them.
// Its client must not be cached.
type Deployer struct {
	Client client.WithWatch
}

// Deploy makes desired the value of the application in one update; what a run did not
// build stays as it is. A missing application is created with sync "pipeline". An older
// sequence is refused.
func (d *Deployer) Deploy(ctx context.Context, namespace, application string, source v1alpha1.Source, desired v1alpha1.Desired) error {
	if desired.Cause == "" {
		desired.Cause = v1alpha1.CausePipeline
	}
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		app := &v1alpha1.Application{}
		err := d.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app)
		if apierrors.IsNotFound(err) {
			app = &v1alpha1.Application{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: namespace, Name: application,
					Labels: map[string]string{v1alpha1.LabelRepository: source.Repository},
				},
				Spec: v1alpha1.ApplicationSpec{Source: source, Sync: "pipeline", Desired: desired.DeepCopy()},
			}
			if err = d.Client.Create(ctx, app); apierrors.IsAlreadyExists(err) {
				return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("applications").GroupResource(), application, err)
			}
			return err
		}
		if err != nil {
			return err
		}
		switch {
		case app.Spec.Source.Repository != source.Repository:
			return fmt.Errorf("application %s: belongs to repository %q, not %q", application, app.Spec.Source.Repository, source.Repository)
		case app.Spec.Sync == "manual":
			return fmt.Errorf("application %s: its sync is manual; run `slipway app sync %s`, or set spec.sync to pipeline", application, application)
		}
		if why := revision.Offers(app, desired.Revision, desired.Commit); why != "" {
			return fmt.Errorf("application %s: it %s; commit %.12s is not of that", application, why, desired.Commit)
		}
		if app.Spec.Source.Commit != "" {
			desired.Revision = desired.Commit
		}
		if !offer(app, withImages(desired, app.Spec.Desired)) {
			return fmt.Errorf("application %s: update %d is already desired, which is newer than %d", application, app.Spec.Desired.Sequence, desired.Sequence)
		}
		return d.Client.Update(ctx, app)
	})
}

// offer writes desired into the spec unless something newer is there: of one branch or tag,
// a later update; which of several tags is newer, their names say. The same value from
// another run asks to try a refused one again.
func offer(app *v1alpha1.Application, desired v1alpha1.Desired) bool {
	if have := app.Spec.Desired; have != nil && have.Sequence > desired.Sequence && (!app.Spec.Source.Fixed() || have.Revision == desired.Revision) {
		return false
	}
	if have := app.Spec.Desired; have != nil && desired.Inputs == nil {
		desired.Inputs = have.Inputs // until other ones are found
	}
	refused := app.Status.Refused
	if refused != nil && same(*refused, desired) && refused.Run != desired.Run && desired.Run != "" {
		app.Spec.Retry = desired.Run
	}
	app.Spec.Desired = desired.DeepCopy()
	return true
}

// Wait follows the application until desired is healthy, or will not be, and tells
// progress about it. The Release is returned with an error unless it is healthy; of
// a pinned application it is the pinned one, because the value then waits.
func (d *Deployer) Wait(ctx context.Context, namespace, application string, desired v1alpha1.Desired, progress io.Writer) (*v1alpha1.Release, error) {
	said := ""
	say := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != said {
			said = text
			_, _ = fmt.Fprintln(progress, text)
		}
	}
	for {
		rel, done, err := d.follow(ctx, namespace, application, desired, say)
		if done || err != nil {
			return rel, err
		}
	}
}

// follow looks after each change of the application or its releases, until one of
// the watches ends, as they do after a while.
func (d *Deployer) follow(ctx context.Context, namespace, application string, desired v1alpha1.Desired, say func(string, ...any)) (*v1alpha1.Release, bool, error) {
	apps, err := d.Client.Watch(ctx, &v1alpha1.ApplicationList{}, client.InNamespace(namespace), client.MatchingFields{"metadata.name": application})
	if err != nil {
		return nil, true, fmt.Errorf("application %s: watch: %w", application, err)
	}
	defer apps.Stop()
	releases, err := d.Client.Watch(ctx, &v1alpha1.ReleaseList{}, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelApplication: application})
	if err != nil {
		return nil, true, fmt.Errorf("application %s: watch of releases: %w", application, err)
	}
	defer releases.Stop()
	for {
		rel, done, err := d.look(ctx, namespace, application, desired, say)
		if done || err != nil {
			return rel, true, err
		}
		open := true
		select {
		case <-ctx.Done():
			return rel, true, fmt.Errorf("application %s: %w", application, context.Cause(ctx))
		case _, open = <-apps.ResultChan():
		case _, open = <-releases.ResultChan():
		}
		if !open {
			return nil, false, nil
		}
	}
}

func (d *Deployer) look(ctx context.Context, namespace, application string, desired v1alpha1.Desired, say func(string, ...any)) (*v1alpha1.Release, bool, error) {
	app := &v1alpha1.Application{}
	if err := d.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: application}, app); err != nil {
		return nil, true, err
	}
	rel := &v1alpha1.Release{}
	if app.Spec.Pin > 0 {
		if err := d.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: Name(application, app.Spec.Pin)}, rel); err != nil {
			return nil, true, err
		}
		say("application %s is pinned to release %d; this value is applied after `slipway app unpin %s`", application, app.Spec.Pin, application)
		return rel, true, nil
	}
	if app.Spec.Desired != nil && !holds(*app.Spec.Desired, desired) && (app.Spec.Desired.Sequence >= desired.Sequence || app.Spec.Source.Fixed()) {
		return nil, true, fmt.Errorf("application %s: a newer value (commit %.12s) is desired now", application, app.Spec.Desired.Commit)
	}
	if app.Status.Last > 0 {
		err := d.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: Name(application, app.Status.Last)}, rel)
		if client.IgnoreNotFound(err) != nil {
			return nil, true, err
		}
	}
	if w := app.Status.Waiting; w != nil && app.Spec.Desired != nil && holds(*app.Spec.Desired, desired) {
		switch w.Reason {
		case v1alpha1.WaitingWindow:
			say("%s", w.Message)
			return nil, true, nil
		case v1alpha1.WaitingCycle:
			return nil, true, fmt.Errorf("application %s: %s", application, w.Message)
		}
	}
	if rel.Name == "" || !holds(rel.Spec.Desired, desired) || (retryAsked(app) && rel.Status.Result == v1alpha1.ReleaseFailed) {
		if refused := app.Status.Refused; refused != nil && app.Spec.Desired != nil && same(*refused, *app.Spec.Desired) && holds(*refused, desired) && !retryAsked(app) {
			return nil, true, fmt.Errorf("application %s: this value failed before; push a new commit or run `slipway app sync %s`", application, application)
		}
		// What is said of a value that failed before is not about this one.
		if app.Status.Message != "" && app.Status.Sync != "Failed" {
			say("%s", app.Status.Message)
		}
		return nil, false, nil
	}
	switch {
	case rel.Status.Result == v1alpha1.ReleaseHealthy && app.Status.Healthy == rel.Spec.Number:
		say("release %d is healthy", rel.Spec.Number)
		return rel, true, nil
	case rel.Status.Result == v1alpha1.ReleaseInterrupted && app.Spec.Desired != nil && !same(rel.Spec.Desired, *app.Spec.Desired):
		return nil, false, nil // what interrupted it holds this value too: its release is about to begin
	case rel.Status.Result == v1alpha1.ReleaseInterrupted:
		return rel, true, fmt.Errorf("release %s was interrupted: %s", rel.Name, rel.Status.Reason)
	case rel.Status.Result == v1alpha1.ReleaseFailed && rel.Status.FinishedAt != nil:
		tell(rel, say)
		return rel, true, fmt.Errorf("release %s failed: %s", rel.Name, rel.Status.Reason)
	}
	if app.Status.Message != "" {
		say("%s", app.Status.Message)
	}
	return nil, false, nil
}

// tell prints the evidence of a failed release.
func tell(rel *v1alpha1.Release, say func(string, ...any)) {
	for _, e := range rel.Status.Evidence {
		say("%s %s: %s", e.Kind, e.Object, e.Text)
	}
	if rel.Status.RolledBackTo > 0 {
		say("release %d is back", rel.Status.RolledBackTo)
	}
}
