package release

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/order"
	"slipway.dev/gitops/revision"
)

// SyncOnPush gives applications with sync "push" the commit of the branch, tag or range of
// tags that they follow, or the one that they name.
type SyncOnPush struct {
	Client client.Client
	// Reader reads uncached.
	Reader client.Reader
	// Commits looks commits up; nil: their whole names alone are known.
	Commits revision.Commits
	// Events on the Application; nil: none.
	Events events.EventRecorder
	// Footprints tell a push that changes nothing of an application; nil: every one does.
	Footprints Footprints
	Log        *slog.Logger
}

// SetupWithManager watches Repositories, and Applications for the one that is made
// after its repository was pushed to.
func (s *SyncOnPush) SetupWithManager(m ctrl.Manager) error {
	repository := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		app, ok := o.(*v1alpha1.Application)
		if !ok || app.Spec.Sync != "push" || app.Spec.Source.Repository == "" {
			return nil // nothing, or a chart of elsewhere
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: app.Namespace, Name: app.Spec.Source.Repository}}}
	})
	return ctrl.NewControllerManagedBy(m).Named("sync-on-push").
		For(&v1alpha1.Repository{}).
		Watches(&v1alpha1.Application{}, repository, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(s)
}

// Reconcile offers the heads of one repository to the applications that follow it.
func (s *SyncOnPush) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	repo := &v1alpha1.Repository{}
	if err := s.Reader.Get(ctx, req.NamespacedName, repo); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	apps := &v1alpha1.ApplicationList{}
	if err := s.Client.List(ctx, apps, client.InNamespace(req.Namespace)); err != nil {
		return ctrl.Result{}, err
	}
	// What is needed has its value before what needs it, so that this one waits for it.
	order.Sort(apps.Items)
	apps.Items = slices.DeleteFunc(apps.Items, func(app v1alpha1.Application) bool {
		return app.Spec.Source.Repository != repo.Name || app.Spec.Sync != "push"
	})
	l := &looks{ask: s.Footprints, repo: repo, finder: revision.In(repo, s.Commits), seen: map[string]map[string]Footprint{}}
	for i := range apps.Items {
		l.paths = append(l.paths, watched(&apps.Items[i])...)
	}
	slices.Sort(l.paths)
	l.paths = slices.Compact(l.paths)
	return ctrl.Result{}, s.offerAll(ctx, l, apps.Items)
}

// offersAtOnce of one repository.
const offersAtOnce = 8

// offerAll tells the applications whose files changed first, several at once, and those
// that need others after these; what concerns the others not is noted last.
func (s *SyncOnPush) offerAll(ctx context.Context, l *looks, apps []v1alpha1.Application) error {
	var mu sync.Mutex
	var same []*v1alpha1.Application
	offer := func(ctx context.Context, app *v1alpha1.Application) error {
		unchanged, err := s.offer(ctx, l, app)
		if unchanged != nil {
			mu.Lock()
			defer mu.Unlock()
			same = append(same, unchanged)
		}
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(offersAtOnce)
	for i := range apps {
		if len(apps[i].Spec.Needs) == 0 {
			g.Go(func() error { return offer(gctx, &apps[i]) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range apps {
		if len(apps[i].Spec.Needs) > 0 {
			if err := offer(ctx, &apps[i]); err != nil {
				return err
			}
		}
	}
	g, gctx = errgroup.WithContext(ctx)
	g.SetLimit(offersAtOnce)
	for _, app := range same {
		found, _, err := l.finder.Find(ctx, app)
		if found != nil && err == nil {
			g.Go(func() error { return s.note(gctx, app, found) })
		}
	}
	return g.Wait()
}

// offer the head to one application, as the cache has it at first: a write of what is old
// is a conflict. It returns the application if the push changes nothing of it.
func (s *SyncOnPush) offer(ctx context.Context, l *looks, cached *v1alpha1.Application) (unchanged *v1alpha1.Application, err error) {
	fresh := false
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		app := cached.DeepCopy()
		if fresh {
			if err := s.Reader.Get(ctx, client.ObjectKeyFromObject(cached), app); err != nil {
				return client.IgnoreNotFound(err)
			}
		}
		fresh = true
		found, lost, err := l.finder.Find(ctx, app)
		if err != nil || found == nil || lost != nil || !app.DeletionTimestamp.IsZero() || !revision.Takes(app, found) {
			return err // why it is not found is shown by source.Finder
		}
		have := app.Spec.Desired
		// A tag is made for a release, whether anything changed since the one before or not.
		if have != nil && !app.Spec.Source.Fixed() && !revision.Chosen(app, found) {
			if u := app.Status.Unchanged; u != nil && u.Sequence == found.Sequence && app.Annotations[annotationSource] == sourceDigest(app) {
				return nil
			}
			switch same, err := l.unchanged(ctx, app, have.Commit, found.Commit); {
			case err != nil:
				return err
			case same:
				unchanged = app
				return nil
			}
		}
		if revision.Chosen(app, found) {
			found.Cause = v1alpha1.CauseRevision
		}
		moved := revision.Moved(app, found)
		revision.Take(app, found)
		if app.Annotations == nil {
			app.Annotations = map[string]string{}
		}
		app.Annotations[annotationSource] = sourceDigest(app)
		if err := s.Client.Update(ctx, app); err != nil {
			return client.IgnoreNotFound(err)
		}
		s.Log.Info("push is desired", "namespace", app.Namespace, "application", app.Name, "commit", found.Commit, "revision", found.Revision)
		if moved && s.Events != nil {
			s.Events.Eventf(app, nil, corev1.EventTypeWarning, "TagMoved", "Source", "%s",
				oneLine(fmt.Sprintf("tag %s was moved from commit %.12s to %.12s by %s, and is followed", found.Tag(), have.Commit, found.Commit, found.By)))
		}
		return nil
	})
	return unchanged, err
}
