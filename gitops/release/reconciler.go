package release

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/apply"
	"slipway.dev/gitops/render"
	"slipway.dev/gitops/revision"
	"slipway.dev/gitops/source"
	"slipway.dev/gitops/watch"
)

// Source gives commits; gitops/git satisfies it.
type Source interface {
	// Checkout writes the directory subpath ("" is the root) of a commit into dir.
	Checkout(ctx context.Context, namespace, repository, commit, dir, subpath string) error
	// Commit describes one; an unknown commit is an error.
	Commit(ctx context.Context, namespace, repository, commit string) (subject, author string, at time.Time, err error)
}

// Renderer turns what an application should be into a set; *source.Renderer satisfies it.
// A fault that stays is a *render.Error.
type Renderer interface {
	Render(ctx context.Context, app *v1alpha1.Application, desired v1alpha1.Desired) (*render.Set, error)
	// Inputs are what a chart would be rendered with now; nil where there are none.
	Inputs(ctx context.Context, app *v1alpha1.Application) (*v1alpha1.Inputs, error)
}

// Trees renders what nobody has committed; *source.Renderer satisfies it.
type Trees interface {
	// RenderTree renders what fill writes into a directory, in place of the commit's tree.
	RenderTree(ctx context.Context, app *v1alpha1.Application, desired v1alpha1.Desired, fill func(dir string) error) (*render.Set, error)
}

// Applier changes the cluster; *apply.Applier satisfies it.
type Applier interface {
	Check(ctx context.Context, t apply.Target, objects []*unstructured.Unstructured) ([]v1alpha1.FieldConflict, error)
	Apply(ctx context.Context, t apply.Target, objects []*unstructured.Unstructured) ([]v1alpha1.ObjectReference, error)
	Prune(ctx context.Context, t apply.Target, gone []v1alpha1.ObjectReference, why apply.Why) ([]v1alpha1.ObjectReference, error)
	Orphan(ctx context.Context, t apply.Target, refs []v1alpha1.ObjectReference) error
	Health(ctx context.Context, t apply.Target, refs []v1alpha1.ObjectReference) (now, drifted []v1alpha1.ObjectReference, err error)
	Addresses(ctx context.Context, t apply.Target, refs []v1alpha1.ObjectReference) ([]string, error)
	Diff(ctx context.Context, t apply.Target, objects []*unstructured.Unstructured, inventory []v1alpha1.ObjectReference) ([]apply.Change, error)
	Tree(ctx context.Context, t apply.Target, set, hooks []v1alpha1.ObjectReference) ([]apply.Node, error)
	Live(ctx context.Context, t apply.Target, ref v1alpha1.ObjectReference) (string, error)

	StartHook(ctx context.Context, t apply.Target, h apply.Hook) (uid string, err error)
	Hook(ctx context.Context, t apply.Target, ref v1alpha1.ObjectReference, uid string) (done, succeeded bool, message string, err error)
	DropHook(ctx context.Context, t apply.Target, ref v1alpha1.ObjectReference, uid string, remove bool) error

	References(ctx context.Context, t apply.Target, objects []*unstructured.Unstructured) ([]v1alpha1.ConfigReference, error)
	Changed(ctx context.Context, t apply.Target, references []v1alpha1.ConfigReference) (bool, error)

	// Reach, Sight and Watched are how a cluster elsewhere is looked at; see apply.
	Reach(ctx context.Context, t apply.Target) error
	Sight(ctx context.Context, t apply.Target) (client.Reader, kubernetes.Interface, error)
	Watched(ctx context.Context, t apply.Target) (watch.Cluster, error)
}

var (
	_ Renderer = (*source.Renderer)(nil)
	_ Trees    = (*source.Renderer)(nil)
	_ Applier  = (*apply.Applier)(nil)
)

// finalizer has an Application's objects pruned before it goes.
const finalizer = "slipway.dev/prune"

const (
	defaultDeadline = 5 * time.Minute
	// backstop looks again at kinds that nobody watches.
	backstop = 10 * time.Second
)

// Reconciler makes each Application what it should be.
type Reconciler struct {
	// Client writes; Reader reads uncached: decisions must not rest on old state.
	Client client.Client
	Reader client.Reader
	// Pods reads the logs and events of what fails.
	Pods   kubernetes.Interface
	Source Source
	// Commits looks up those that applications name; nil: their whole names alone are known.
	Commits  revision.Commits
	Renderer Renderer
	Trees    Trees
	Applier  Applier
	Store    *Store
	// Events on the Application: mgr.GetEventRecorder("slipway").
	Events  events.EventRecorder
	Metrics *Metrics
	Log     *slog.Logger
	// PoliciesIgnored: the bundled cluster enforces no network policies.
	PoliciesIgnored bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	watcher   *watch.Watcher
	followers *followers
	attention *attention
	laps      *laps
}

// SetupWithManager watches Applications, and whatever kinds their sets have.
func (r *Reconciler) SetupWithManager(m ctrl.Manager) error {
	r.laps, r.followers, r.attention = &laps{}, &followers{}, &attention{}
	objects, err := r.eyes(m)
	if err != nil {
		return err
	}
	if err := index(m.GetFieldIndexer()); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(m).Named("application").
		For(&v1alpha1.Application{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Application{}, r.needing()).
		WatchesRawSource(objects).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 12,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](200*time.Millisecond, 15*time.Second),
		}).
		Complete(r)
}

// Reconcile takes the next step of one Application.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if r.attention == nil {
		return r.look(ctx, req)
	}
	ctx, look := r.attention.begin(ctx, req.NamespacedName)
	result, err := r.look(ctx, req)
	if r.attention.end(req.NamespacedName, look) && (result.RequeueAfter == 0 || result.RequeueAfter > soon) {
		result.RequeueAfter = soon
	}
	return result, err
}

// soon is when an application is looked at again of which there was news meanwhile.
const soon = time.Millisecond

func (r *Reconciler) look(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	app := &v1alpha1.Application{}
	if err := r.Reader.Get(ctx, req.NamespacedName, app); err != nil {
		if !apierrors.IsNotFound(err) {
			r.laps.blind(req.NamespacedName) // the apiserver is away: no deadline runs meanwhile
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	result, err := r.step(ctx, app)
	r.followers.tell(req.NamespacedName)
	if apierrors.IsConflict(err) {
		// Somebody wrote in between: look again with fresh eyes.
		return ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil
	}
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("application", "namespace", req.Namespace, "name", req.Name, "error", err)
	}
	return result, err
}

func (r *Reconciler) step(ctx context.Context, app *v1alpha1.Application) (ctrl.Result, error) {
	if !app.DeletionTimestamp.IsZero() {
		return r.remove(ctx, app)
	}
	if controllerutil.AddFinalizer(app, finalizer) {
		unmanage(app)
		if err := r.Client.Update(ctx, app); err != nil {
			return ctrl.Result{}, err
		}
	}
	last, err := r.release(ctx, app, app.Status.Last)
	if err != nil {
		return ctrl.Result{}, err
	}
	turn, err := r.turn(ctx, app, last)
	if err != nil {
		return ctrl.Result{}, err
	}
	r.Metrics.shows(app)
	if err := r.trim(ctx, app); err != nil {
		return ctrl.Result{}, err
	}
	if app.Spec.Pin > 0 {
		return r.hold(ctx, app, last)
	}
	if app.Spec.Desired == nil {
		return r.observe(ctx, app, "OutOfSync", cmp.Or(source.Waiting(app), source.NothingDesired(app)))
	}
	if last != nil && same(last.Spec.Desired, *app.Spec.Desired) {
		switch last.Status.Result {
		case v1alpha1.ReleaseProgressing, "":
			if why := stopped(app, last); why != "" {
				return r.fail(ctx, app, last, why, nil)
			}
			return r.advance(ctx, app, last)
		case v1alpha1.ReleaseHealthy:
			return r.activate(ctx, app, last, "Synced", "")
		case v1alpha1.ReleaseFailed:
			if !retryAsked(app) {
				return r.rest(ctx, app, last)
			}
		}
	}
	if result, waits, err := r.wait(ctx, app, last, turn); waits || err != nil {
		return result, err
	}
	if err := r.overtake(ctx, app, last, "a newer desired value came before it was healthy"); err != nil {
		return ctrl.Result{}, err
	}
	if refused := app.Status.Refused; refused != nil && same(*refused, *app.Spec.Desired) && !retryAsked(app) {
		if result, done, err := r.restore(ctx, app); !done {
			return result, err
		}
		return r.observe(ctx, app, "Failed", "this value failed before; push a new commit or run `slipway app sync`")
	}
	if why := source.Waiting(app); why != "" {
		return r.observe(ctx, app, "OutOfSync", why)
	}
	return r.begin(ctx, app)
}

// unmanage has the apiserver forget who manages which field of an application, and not keep
// it from then on, unless somebody applies the application: only then these records matter.
// They cost more at each write than all else, and are half of what is kept of it.
func unmanage(app *v1alpha1.Application) {
	if !slices.ContainsFunc(app.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return e.Operation == metav1.ManagedFieldsOperationApply }) {
		app.ManagedFields = []metav1.ManagedFieldsEntry{{}}
	}
}

// same compares values: the commit, the digests and what part of them was asked for, not
// who asked.
func same(a, b v1alpha1.Desired) bool {
	if a.Commit != b.Commit || len(a.Images) != len(b.Images) || !sameRequest(a.Sync, b.Sync) {
		return false
	}
	// A value that does not say with which chart and values means whatever they are.
	if a.Inputs != nil && b.Inputs != nil && !source.SameInputs(a.Inputs, b.Inputs) {
		return false
	}
	digests := map[string]string{}
	for _, i := range a.Images {
		digests[i.Name] = i.Digest
	}
	for _, i := range b.Images {
		if digests[i.Name] != i.Digest {
			return false
		}
	}
	return true
}

func retryAsked(app *v1alpha1.Application) bool {
	return app.Status.Refused != nil && app.Spec.Retry != app.Status.RefusedRetry
}

func finished(rel *v1alpha1.Release) bool {
	return rel.Status.Result != "" && rel.Status.Result != v1alpha1.ReleaseProgressing
}

// Name of release n of an application.
func Name(application string, n int64) string {
	return application + "-" + strconv.FormatInt(n, 10)
}

// release reads release n; nil if there is none.
func (r *Reconciler) release(ctx context.Context, app *v1alpha1.Application, n int64) (*v1alpha1.Release, error) {
	if n == 0 {
		return nil, nil
	}
	rel := &v1alpha1.Release{}
	err := r.Reader.Get(ctx, types.NamespacedName{Namespace: app.Namespace, Name: Name(app.Name, n)}, rel)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if rel.Spec.Application != app.Name {
		return nil, fmt.Errorf("release %s belongs to application %s", rel.Name, rel.Spec.Application)
	}
	if !metav1.IsControlledBy(rel, app) {
		return nil, fmt.Errorf("release %s of an earlier application of this name is still being removed", rel.Name)
	}
	return rel, nil
}

// target of what is applied for an application.
func (r *Reconciler) target(app *v1alpha1.Application, n int64) apply.Target {
	t := apply.Target{
		Namespace: app.Namespace, Application: app.Name, Release: n, Account: app.Spec.ServiceAccount, Cluster: app.Spec.Cluster,
		Ignore: app.Spec.IgnoreDifferences, Checks: app.Spec.HealthChecks, Known: app.Status.Inventory,
	}
	if to := destination(app); to != app.Namespace {
		t.Destination = to
	}
	if o := app.Spec.SyncOptions; o != nil {
		t.Options = *o
	}
	return t
}

// destination is the namespace that an application's objects go to.
func destination(app *v1alpha1.Application) string {
	if app.Spec.Namespace != "" {
		return app.Spec.Namespace
	}
	return app.Namespace
}

func (r *Reconciler) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}
