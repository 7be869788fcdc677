package release

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/order"
)

// SyncOnPush gives applications with sync "push" the commit that their branch has.
type SyncOnPush struct {
	Client client.Client
	// Reader reads uncached.
	Reader client.Reader
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
	l := &looks{ask: s.Footprints, repo: repo, seen: map[string]map[string]Footprint{}}
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
	desired := map[*v1alpha1.Application]*v1alpha1.Desired{}
	for _, app := range same {
		desired[app] = head(l.repo, app.Spec.Source.Branch)
	}
	for app, d := range desired {
		g.Go(func() error { return s.note(gctx, app, d) })
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
		desired := head(l.repo, app.Spec.Source.Branch)
		if desired == nil || !app.DeletionTimestamp.IsZero() {
			return nil
		}
		if have := app.Spec.Desired; have != nil {
			if have.Sequence >= desired.Sequence || have.Commit == desired.Commit {
				return nil
			}
			if u := app.Status.Unchanged; u != nil && u.Sequence == desired.Sequence && app.Annotations[annotationSource] == sourceDigest(app) {
				return nil
			}
			switch same, err := l.unchanged(ctx, app, have.Commit, desired.Commit); {
			case err != nil:
				return err
			case same:
				unchanged = app
				return nil
			}
		}
		if !offer(app, *desired) {
			return nil
		}
		if app.Annotations == nil {
			app.Annotations = map[string]string{}
		}
		app.Annotations[annotationSource] = sourceDigest(app)
		s.Log.Info("push is desired", "namespace", app.Namespace, "application", app.Name, "commit", desired.Commit)
		return client.IgnoreNotFound(s.Client.Update(ctx, app))
	})
	return unchanged, err
}

// head is the desired value that a branch means; nil while it has no commit.
func head(repo *v1alpha1.Repository, branch string) *v1alpha1.Desired {
	if branch == "" {
		branch = repo.Status.DefaultBranch
	}
	ref, ok := repo.Status.Refs["refs/heads/"+branch]
	if !ok || ref.Commit == "" {
		return nil
	}
	by := ref.By
	if by == "" {
		by = ref.Via
	}
	return &v1alpha1.Desired{Commit: ref.Commit, Sequence: ref.Sequence, By: by, Cause: v1alpha1.CausePush}
}
