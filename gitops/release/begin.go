package release

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/render"
)

// begin makes the next Release of what is desired: rendered, stored, recorded, in
// that order, so that a Release that exists has its set. A crash in between repeats
// with the same number, and finds what it had made.
func (r *Reconciler) begin(ctx context.Context, app *v1alpha1.Application) (ctrl.Result, error) {
	n := app.Status.Last + 1
	rel, set, refused, err := r.create(ctx, app, n)
	if err != nil {
		// It may have been made before a crash, and is what counts then.
		made, rerr := r.release(ctx, app, n)
		if rerr != nil {
			return ctrl.Result{}, rerr
		}
		if made == nil {
			return ctrl.Result{}, r.trouble(ctx, app, err)
		}
		rel, set, refused = made, nil, ""
	}
	if !same(rel.Spec.Desired, *app.Spec.Desired) && !finished(rel) {
		// Made before a crash, for a value that is no longer desired.
		if err := r.interrupt(ctx, app, rel, "a newer desired value came before it was applied"); err != nil {
			return ctrl.Result{}, err
		}
	}
	atOnce := r.atOnce(rel, set)
	if rel.Status.Result == "" {
		rel.Status.Result = v1alpha1.ReleaseProgressing
		rel.Status.StartedAt = r.stamp()
		if !atOnce {
			if err := r.Client.Status().Update(ctx, rel); err != nil {
				return ctrl.Result{}, err
			}
		}
	}
	app.Status.Last = n
	forgive(app, rel)
	app.Status.Health, app.Status.Sync = "Progressing", "OutOfSync"
	app.Status.Message = fmt.Sprintf("release %d is rolling out", n)
	if !atOnce {
		if err := r.Client.Status().Update(ctx, app); err != nil {
			return ctrl.Result{}, err
		}
	}
	if finished(rel) {
		return ctrl.Result{RequeueAfter: 1}, nil
	}
	r.event(app, corev1.EventTypeNormal, "ReleaseStarted", "release %d of %s", n, what(rel.Spec.Desired))
	if refused != "" {
		return r.fail(ctx, app, rel, refused, nil)
	}
	version := rel.ResourceVersion
	result, err := r.advanceWith(ctx, app, rel, set)
	if atOnce && rel.ResourceVersion == version {
		// It takes longer than a moment: that it goes on is said now.
		err = errors.Join(err, r.Client.Status().Update(ctx, rel))
	}
	return result, err
}

// atOnce says whether what was just rendered goes into the cluster without hooks and waves:
// then what is about to be applied, and most often what became of it, is written down in a
// moment, and nothing before.
func (r *Reconciler) atOnce(rel *v1alpha1.Release, set *render.Set) bool {
	if set == nil || finished(rel) {
		return false
	}
	plan, err := r.plan(rel, set)
	return err == nil && plan.Simple()
}

// what a value is, for people.
func what(d v1alpha1.Desired) string {
	if d.Commit == "" && d.Inputs != nil {
		return "chart version " + d.Inputs.Version
	}
	if tag := d.Tag(); tag != "" {
		return fmt.Sprintf("tag %s (commit %.12s)", tag, d.Commit)
	}
	return fmt.Sprintf("commit %.12s", d.Commit)
}

// forgive forgets that a value was refused, when it is tried again or healthy.
func forgive(app *v1alpha1.Application, rel *v1alpha1.Release) {
	if refused := app.Status.Refused; refused != nil && same(*refused, rel.Spec.Desired) {
		app.Status.Refused, app.Status.RefusedRetry = nil, ""
	}
}

// create renders and stores the set and creates the Release. A refusal of the
// renderer makes a Release too, without a set, and is returned as text.
func (r *Reconciler) create(ctx context.Context, app *v1alpha1.Application, n int64) (rel *v1alpha1.Release, set *render.Set, refused string, err error) {
	desired := app.Spec.Desired
	subject, author, err := r.about(ctx, app, desired)
	if err != nil {
		return nil, nil, "", err
	}
	set, err = r.render(ctx, app, *desired)
	if err == nil {
		set, err = r.selected(ctx, app, *desired, set)
	}
	digest := ""
	if err != nil {
		if refused = refusal(err); refused == "" {
			return nil, nil, "", err
		}
	} else {
		digest = set.Digest()
		if err := r.Store.Put(ctx, app.Namespace, app.Name, set); err != nil {
			return nil, nil, "", err
		}
	}
	rel = &v1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: app.Namespace, Name: Name(app.Name, n),
			Labels: map[string]string{v1alpha1.LabelApplication: app.Name},
		},
		Spec: v1alpha1.ReleaseSpec{
			Application: app.Name, Number: n, Desired: *desired.DeepCopy(), Rendered: digest, Subject: subject, Author: author,
		},
	}
	if repository := app.Spec.Source.Repository; repository != "" {
		rel.Labels[v1alpha1.LabelRepository] = repository
	}
	if err := controllerutil.SetControllerReference(app, rel, r.Client.Scheme()); err != nil {
		return nil, nil, "", err
	}
	if err := r.Client.Create(ctx, rel); err != nil {
		return nil, nil, "", err
	}
	return rel, set, refused, nil
}

// about says what a release is of: the subject and the author of its commit, or its chart.
func (r *Reconciler) about(ctx context.Context, app *v1alpha1.Application, desired *v1alpha1.Desired) (subject, author string, err error) {
	source := app.Spec.Source
	if source.Repository == "" {
		if source.Helm != nil && desired.Inputs != nil {
			subject = strings.TrimSpace(source.Helm.Chart + " " + desired.Inputs.Version)
		}
		return subject, "", nil
	}
	subject, author, _, err = r.Source.Commit(ctx, app.Namespace, source.Repository, desired.Commit)
	return subject, author, err
}

// render gives the set of a desired value.
func (r *Reconciler) render(ctx context.Context, app *v1alpha1.Application, desired v1alpha1.Desired) (*render.Set, error) {
	set, err := r.Renderer.Render(ctx, app, desired)
	if err == nil {
		r.Store.hide(app.Namespace, app.Name, set)
	}
	return set, err
}

// refusal is the text of an error that will not go away by itself, or "".
func refusal(err error) string {
	if err == nil {
		return ""
	}
	var fromRender *render.Error
	var fromApply *apply.Refusal
	switch {
	case errors.As(err, &fromRender):
		return fromRender.Error()
	case errors.As(err, &fromApply):
		return fromApply.Error()
	}
	return ""
}

// load gives the set of a release: from the store, or where that is away or has lost it,
// from what is kept in the cluster, or rendered again, if the digest agrees.
func (r *Reconciler) load(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release) (*render.Set, error) {
	set, err := r.Store.Get(ctx, app.Namespace, app.Name, rel.Spec.Rendered)
	if err == nil {
		return set, nil
	}
	if kept, kerr := r.Store.Kept(ctx, app, rel.Spec.Rendered); kerr == nil {
		return kept, nil
	}
	again, rerr := r.render(ctx, app, rel.Spec.Desired)
	if rerr != nil {
		return nil, fmt.Errorf("set of %s: %w; rendering it again: %v", rel.Name, err, rerr)
	}
	if again.Digest() != rel.Spec.Rendered {
		return nil, fmt.Errorf("set of %s: %w; rendering it again gives %s", rel.Name, err, again.Digest())
	}
	// The registry may be what is away: the set is as good without a copy there.
	if err := r.Store.Put(ctx, app.Namespace, app.Name, again); err != nil {
		r.Log.Warn("a set that was rendered again is not stored", "release", rel.Name, "error", err)
	}
	return again, nil
}

// interrupt ends a release that something newer overtook.
func (r *Reconciler) interrupt(ctx context.Context, app *v1alpha1.Application, rel *v1alpha1.Release, why string) error {
	if err := r.endHooks(ctx, app, rel); err != nil {
		return r.trouble(ctx, app, err)
	}
	rel.Status.Result, rel.Status.Reason, rel.Status.FinishedAt = v1alpha1.ReleaseInterrupted, why, r.stamp()
	if err := r.Client.Status().Update(ctx, rel); err != nil {
		return err
	}
	r.Metrics.finished(app, rel)
	r.event(app, corev1.EventTypeNormal, "ReleaseInterrupted", "release %d: %s", rel.Spec.Number, why)
	return nil
}

// trouble shows an error that is tried again.
func (r *Reconciler) trouble(ctx context.Context, app *v1alpha1.Application, err error) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return err
	}
	if message := oneLine(elsewhere(app, err)); app.Status.Message != message {
		app.Status.Message = message
		return errors.Join(err, r.Client.Status().Update(ctx, app))
	}
	return err
}

func (r *Reconciler) stamp() *metav1.MicroTime {
	t := metav1.NewMicroTime(r.now())
	return &t
}

func (r *Reconciler) event(app *v1alpha1.Application, kind, reason, format string, args ...any) {
	if r.Events != nil {
		r.Events.Eventf(app, nil, kind, reason, "Release", "%s", oneLine(fmt.Sprintf(format, args...)))
	}
}
