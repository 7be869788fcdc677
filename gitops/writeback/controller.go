package writeback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/git"
	"slipway.dev/gitops/release"
	"slipway.dev/gitops/revision"
)

// Writer puts commits on branches; *git.Reconciler satisfies it.
type Writer interface {
	Write(ctx context.Context, e git.Edit) (git.Written, error)
}

// Deployer makes a value the desired one; *release.Deployer satisfies it.
type Deployer interface {
	Deploy(ctx context.Context, namespace, application string, source v1alpha1.Source, desired v1alpha1.Desired) error
}

var (
	_ Tree     = (*git.Worktree)(nil)
	_ Writer   = (*git.Reconciler)(nil)
	_ Deployer = (*release.Deployer)(nil)
)

const (
	// later is when a refusal is tried again: somebody may have changed what it was about.
	later = time.Minute
	// behind is when a mirror has probably been brought up to date.
	behind = 2 * time.Second
)

// indexed finds the applications of a repository that write back.
const indexed = "writeBack.repository"

// Controller writes back for the applications that ask for it. What it has written is in
// their status after it is in Git; a crash in between finds nothing left to change.
type Controller struct {
	Client client.Client
	// Reader reads uncached.
	Reader   client.Reader
	Git      Writer
	Deployer Deployer
	Events   events.EventRecorder
	Log      *slog.Logger
}

// SetupWithManager watches applications that write back, and their repositories.
func (c *Controller) SetupWithManager(m ctrl.Manager) error {
	if err := m.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.Application{}, indexed, repositoryOf); err != nil {
		return err
	}
	writes := predicate.NewPredicateFuncs(func(o client.Object) bool { return len(repositoryOf(o)) > 0 })
	return ctrl.NewControllerManagedBy(m).Named("write-back").
		For(&v1alpha1.Application{}, builder.WithPredicates(writes)).
		Watches(&v1alpha1.Repository{}, handler.EnqueueRequestsFromMapFunc(c.applications)).
		Complete(c)
}

func repositoryOf(o client.Object) []string {
	app := o.(*v1alpha1.Application)
	if app.Spec.WriteBack == nil {
		return nil
	}
	return []string{app.Spec.Source.Repository}
}

func (c *Controller) applications(ctx context.Context, o client.Object) []reconcile.Request {
	list := &v1alpha1.ApplicationList{}
	if err := c.Client.List(ctx, list, client.InNamespace(o.GetNamespace()), client.MatchingFields{indexed: o.GetName()}); err != nil {
		return nil
	}
	var out []reconcile.Request
	for i := range list.Items {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return out
}

// Reconcile writes back what one application has that Git does not.
func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	app := &v1alpha1.Application{}
	if err := c.Reader.Get(ctx, req.NamespacedName, app); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if app.Spec.WriteBack == nil || !app.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	if app.Spec.Source.Repository == "" {
		return ctrl.Result{}, c.note(ctx, app, func(w *v1alpha1.WrittenBack) { w.Message = "there is no repository to write to" })
	}
	repo := &v1alpha1.Repository{}
	if err := c.Reader.Get(ctx, types.NamespacedName{Namespace: app.Namespace, Name: app.Spec.Source.Repository}, repo); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	j, err := c.job(ctx, app, repo)
	if err != nil {
		return ctrl.Result{}, err
	}
	if j != nil && app.Spec.Source.Fixed() && app.Spec.WriteBack.Branch == "" {
		// Past the checks of the API: the default branch is not what is followed.
		return ctrl.Result{}, c.note(ctx, app, func(w *v1alpha1.WrittenBack) { w.Message = oneLine(revision.NoBranch(&app.Spec.Source)) })
	}
	if j == nil {
		return ctrl.Result{}, c.rest(ctx, app, repo)
	}
	done, err := c.Git.Write(ctx, j.edit)
	switch {
	case errors.Is(err, git.ErrBehind):
		return ctrl.Result{RequeueAfter: behind}, nil
	case err != nil && ctx.Err() != nil:
		return ctrl.Result{}, err
	case err != nil:
		c.Log.Warn("not written back", "namespace", app.Namespace, "application", app.Name, "error", err)
		if done := app.Status.WrittenBack; done == nil || done.Message != oneLine(err.Error()) {
			c.event(app, corev1.EventTypeWarning, "NotWrittenBack", "%v", err)
		}
		return ctrl.Result{RequeueAfter: later}, c.note(ctx, app, func(w *v1alpha1.WrittenBack) { w.Message = oneLine(err.Error()) })
	}
	if done.New {
		c.event(app, corev1.EventTypeNormal, "WrittenBack", "commit %.12s on %s: %s", done.Commit, j.edit.Branch, j.what)
	}
	return ctrl.Result{}, c.note(ctx, app, func(w *v1alpha1.WrittenBack) {
		now := metav1.Now()
		w.Commit, w.Branch, w.At, w.Message = done.Commit, j.edit.Branch, &now, ""
		if j.pin > 0 {
			w.Pin = j.pin
		} else {
			w.Release = j.release
		}
		if len(j.missing) > 0 {
			w.Message = oneLine("no place was found for " + strings.Join(j.missing, ", ") + "; mark one with # {\"$image\": \"…\"}")
		}
	})
}

// job that is due, nil if there is none: a pin first, then images.
func (c *Controller) job(ctx context.Context, app *v1alpha1.Application, repo *v1alpha1.Repository) (*job, error) {
	w, s := app.Spec.WriteBack, app.Status
	done := v1alpha1.WrittenBack{}
	if s.WrittenBack != nil {
		done = *s.WrittenBack
	}
	switch pin := app.Spec.Pin; {
	case pin > 0 && w.Rollback && done.Pin != pin:
		rel, err := c.release(ctx, app, pin)
		if rel == nil || rel.Status.Result != v1alpha1.ReleaseHealthy || err != nil {
			return nil, err
		}
		return c.revert(app, repo, rel), nil
	case pin == 0 && w.Images && s.Healthy > 0 && s.Current == s.Healthy && s.Sync == "Synced" && done.Release != s.Healthy:
		rel, err := c.release(ctx, app, s.Healthy)
		if rel == nil || len(rel.Spec.Desired.Images) == 0 || err != nil {
			return nil, err
		}
		return c.images(app, repo, rel), nil
	}
	return nil, nil
}

func (c *Controller) release(ctx context.Context, app *v1alpha1.Application, n int64) (*v1alpha1.Release, error) {
	rel := &v1alpha1.Release{}
	err := c.Reader.Get(ctx, types.NamespacedName{Namespace: app.Namespace, Name: release.Name(app.Name, n)}, rel)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(rel, app) {
		return nil, nil
	}
	return rel, err
}

// rest is what is left when nothing is to be written: after a revert of an application
// that only its pipeline gives values, the revert is what is desired of it, so that it
// holds when the pin ends; and an ended pin is forgotten.
func (c *Controller) rest(ctx context.Context, app *v1alpha1.Application, repo *v1alpha1.Repository) error {
	done := app.Status.WrittenBack
	if done == nil || done.Pin == 0 {
		return nil
	}
	if app.Spec.Pin != done.Pin {
		return c.note(ctx, app, func(w *v1alpha1.WrittenBack) { w.Pin = 0 })
	}
	if app.Spec.Source.Fixed() {
		return nil // what was reverted runs again when there is a tag of it
	}
	followed := cmp.Or(app.Spec.Source.Branch, repo.Status.DefaultBranch)
	ref := repo.Status.Refs["refs/heads/"+followed]
	have := app.Spec.Desired
	if app.Spec.Sync != "pipeline" || done.Branch != followed || ref.Commit != done.Commit || have != nil && (have.Commit == done.Commit || have.Sequence >= ref.Sequence) {
		return nil
	}
	rel, err := c.release(ctx, app, done.Pin)
	if rel == nil || err != nil {
		return err
	}
	return c.Deployer.Deploy(ctx, app.Namespace, app.Name, app.Spec.Source, v1alpha1.Desired{
		Commit: done.Commit, Sequence: ref.Sequence, Images: rel.Spec.Desired.Images, By: app.Spec.PinnedBy, Cause: v1alpha1.CauseRollback,
	})
}

// note what was written in the status.
func (c *Controller) note(ctx context.Context, app *v1alpha1.Application, change func(*v1alpha1.WrittenBack)) error {
	before := app.DeepCopy()
	if app.Status.WrittenBack == nil {
		app.Status.WrittenBack = &v1alpha1.WrittenBack{}
	}
	change(app.Status.WrittenBack)
	if equality.Semantic.DeepEqual(before.Status.WrittenBack, app.Status.WrittenBack) {
		return nil
	}
	return client.IgnoreNotFound(c.Client.Status().Patch(ctx, app, client.MergeFrom(before)))
}

func (c *Controller) event(app *v1alpha1.Application, kind, reason, format string, args ...any) {
	if c.Events != nil {
		c.Events.Eventf(app, nil, kind, reason, "WriteBack", "%s", oneLine(fmt.Sprintf(format, args...)))
	}
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 500 {
		s = strings.ToValidUTF8(s[:500], "") + "…"
	}
	return s
}
