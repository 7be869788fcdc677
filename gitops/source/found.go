package source

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
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
	"slipway.dev/gitops/revision"
)

// NothingDesired is the message of an application that waits for a first commit: what
// would bring one.
func NothingDesired(app *v1alpha1.Application) string {
	brings := "push, or run `slipway app sync`"
	switch p := app.Spec.Promotion; {
	case p != nil:
		brings = "`slipway app promote " + p.From + " --to " + app.Name + "` brings a release"
	case app.Spec.Sync == "pipeline":
		brings = "the job of a run that says `slipway deploy " + app.Name + "` brings it; `slipway app set " + app.Name + " --sync push` follows " + cmp.Or(app.Spec.Source.Followed(), "the branch") + " without one"
	case app.Spec.Sync == "manual":
		brings = "run `slipway app sync " + app.Name + "`"
	}
	return "nothing is desired yet: " + brings
}

// ConditionSource is False, with the reason, while the repository of an application, or
// the branch, tag or commit that it follows, is not there. It is absent otherwise.
const ConditionSource = "SourceFound"

// Finder tells applications whose repository, or what they follow of it, is not there, so
// that a name that was mistyped does not look like one that nobody pushed to yet, and a tag
// that was deleted not like one that is followed.
type Finder struct {
	Client client.Client
	// Commits looks commits up; nil: their whole names alone are known.
	Commits revision.Commits
	// Events on the Application; nil: none.
	Events events.EventRecorder
	Log    *slog.Logger
}

// SetupWithManager watches Repositories, and Applications for the name of theirs.
func (f *Finder) SetupWithManager(m ctrl.Manager) error {
	repository := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		app, ok := o.(*v1alpha1.Application)
		if !ok || app.Spec.Source.Repository == "" {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: app.Namespace, Name: app.Spec.Source.Repository}}}
	})
	return ctrl.NewControllerManagedBy(m).Named("source-found").
		For(&v1alpha1.Repository{}).
		Watches(&v1alpha1.Application{}, repository, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(f)
}

// Reconcile looks at the applications of one repository, which need not be there.
func (f *Finder) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	repo := &v1alpha1.Repository{}
	if err := f.Client.Get(ctx, req.NamespacedName, repo); err != nil {
		if !apierrors.IsNotFound(err) {
			return ctrl.Result{}, err
		}
		repo = nil
	}
	apps := &v1alpha1.ApplicationList{}
	if err := f.Client.List(ctx, apps, client.InNamespace(req.Namespace)); err != nil {
		return ctrl.Result{}, err
	}
	finder := revision.In(repo, f.Commits)
	for i := range apps.Items {
		app := &apps.Items[i]
		if app.Spec.Source.Repository != req.Name || !app.DeletionTimestamp.IsZero() {
			continue
		}
		var c *metav1.Condition
		var err error
		if repo == nil {
			c, err = f.nowhere(ctx, req.NamespacedName)
		} else {
			c, err = lost(ctx, repo, finder, app)
		}
		if err == nil {
			err = f.tell(ctx, app, c)
		}
		if apierrors.IsConflict(err) {
			return ctrl.Result{Requeue: true}, nil
		}
		if err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, nil
}

// nowhere says that a repository is not there, and which ones are.
func (f *Finder) nowhere(ctx context.Context, name types.NamespacedName) (*metav1.Condition, error) {
	list := &v1alpha1.RepositoryList{}
	if err := f.Client.List(ctx, list, client.InNamespace(name.Namespace)); err != nil {
		return nil, err
	}
	var known []string
	for i := range list.Items {
		known = append(known, list.Items[i].Name)
	}
	return missing("RepositoryNotFound", "repository %s is not there; known: %s. Push to it, or `slipway repo add %s`", name.Name, revision.Few(known), name.Name), nil
}

// lost says what of an application's source is not in its repository; nil: nothing.
func lost(ctx context.Context, repo *v1alpha1.Repository, finder *revision.Finder, app *v1alpha1.Application) (*metav1.Condition, error) {
	found, why, err := finder.Find(ctx, app)
	ready := meta.FindStatusCondition(repo.Status.Conditions, "Ready")
	switch {
	case err != nil, why != nil && why.Reason == revision.Invalid:
	// The deploy job says which commit; a merge request and what is promoted are on no branch.
	case !follows(app), found != nil && why == nil:
		return nil, nil
	case len(repo.Status.Refs) == 0 && ready != nil && ready.Status == metav1.ConditionFalse:
		return missing("RepositoryNotReady", "repository %s: %s", repo.Name, strings.TrimPrefix(ready.Message, "repository "+repo.Name+": ")), nil
	case len(repo.Status.Refs) == 0 && (ready == nil || repo.Spec.URL != "" && repo.Status.LastPolled == nil):
		return nil, nil // it was not looked at yet
	}
	if why == nil {
		return nil, err
	}
	return missing(why.Reason, "%s", why.Message), nil
}

// follows says whether an application has the commits that its source follows.
func follows(app *v1alpha1.Application) bool {
	return app.Spec.Sync != "pipeline" && app.Spec.Promotion == nil && !strings.HasPrefix(app.Annotations[v1alpha1.AnnotationRef], "refs/merge-requests/")
}

func missing(reason, format string, args ...any) *metav1.Condition {
	return &metav1.Condition{Type: ConditionSource, Status: metav1.ConditionFalse, Reason: reason, Message: clip(fmt.Sprintf(format, args...))}
}

// tell an application what is not there, or that it is.
func (f *Finder) tell(ctx context.Context, app *v1alpha1.Application, c *metav1.Condition) error {
	before := app.DeepCopy()
	if c == nil {
		if !meta.RemoveStatusCondition(&app.Status.Conditions, ConditionSource) {
			return nil
		}
	} else {
		c.ObservedGeneration = app.Generation
		if !meta.SetStatusCondition(&app.Status.Conditions, *c) {
			return nil
		}
		f.Log.Info("source not found", "namespace", app.Namespace, "application", app.Name, "reason", c.Reason, "message", c.Message)
	}
	if app.Spec.Desired == nil {
		// Nothing else happens until it is found, or pushed to.
		app.Status.Sync, app.Status.Message = "OutOfSync", cmp.Or(Waiting(app), NothingDesired(app))
	}
	err := f.Client.Status().Patch(ctx, app, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err == nil && c != nil && c.Reason == revision.TagDeleted && f.Events != nil {
		f.Events.Eventf(app, nil, corev1.EventTypeWarning, c.Reason, "Source", "%s", c.Message)
	}
	return client.IgnoreNotFound(err)
}
