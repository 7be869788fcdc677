package generate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/addons"
	"slipway.dev/cluster/api/v1alpha1"
	kube "slipway.dev/cluster/client"
)

// Source reads repositories; gitops/git satisfies it.
type Source interface {
	// Directories of a commit that hold a file, sorted.
	Directories(ctx context.Context, namespace, repository, commit string) ([]string, error)
}

// Spaces makes and removes namespaces of previews; addons.Previews satisfies it. Both
// may be repeated.
type Spaces interface {
	// Ensure a namespace with everything that a preview has. One that exists and is not
	// this preview's is an error.
	Ensure(ctx context.Context, p addons.Preview) error
	// Remove it with all that is in it. It is nil at once, and later gone.
	Remove(ctx context.Context, tenant, name string) error
}

var _ Spaces = addons.Previews{}

// finalizer has what a set made removed before it goes.
const finalizer = "slipway.dev/previews"

const (
	defaultLimit = 50
	// soon is when something is looked at again that is under way.
	soon = 5 * time.Second
	// calm gathers changes of applications, which come in bursts.
	calm = time.Second
	// afresh is how long a namespace that is there is taken for whole.
	afresh = 5 * time.Minute
	// backstop looks again at what nobody watches: what previews copy from their tenant.
	backstop = 10 * time.Minute
)

// Controller makes the Applications of ApplicationSets.
type Controller struct {
	Client client.Client
	// Reader reads uncached: decisions to take something away do not rest on old state.
	Reader client.Reader
	Source Source
	Spaces Spaces
	Events events.EventRecorder
	Log    *slog.Logger

	mu   sync.Mutex
	seen map[types.UID]listing
	// whole says when each namespace was last made whole.
	whole map[string]time.Time
}

// listing is what was last found in a commit.
type listing struct {
	commit string
	dirs   []string
}

// SetupWithManager watches sets, their repositories, applications and namespaces.
func (c *Controller) SetupWithManager(m ctrl.Manager) error {
	ofRepository := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		list := &v1alpha1.ApplicationSetList{}
		if err := c.Client.List(ctx, list, client.InNamespace(o.GetNamespace())); err != nil {
			return nil
		}
		var out []reconcile.Request
		for _, set := range list.Items {
			if set.Spec.Repository == o.GetName() {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&set)})
			}
		}
		return out
	})
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return ctrl.NewControllerManagedBy(m).Named("applicationset").
		For(&v1alpha1.ApplicationSet{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, approvals{}))).
		Watches(&v1alpha1.Repository{}, ofRepository).
		Watches(&v1alpha1.Application{}, gathered(func(o client.Object) string { return o.GetNamespace() })).
		Watches(namespace, gathered(func(o client.Object) string { return o.GetLabels()[v1alpha1.LabelPreviewOf] }), builder.OnlyMetadata).
		Complete(c)
}

// approvals is true of a set whose approvals of forks changed.
type approvals struct{ predicate.Funcs }

func (approvals) Update(e event.UpdateEvent) bool {
	a, ok := e.ObjectOld.(*v1alpha1.ApplicationSet)
	b, ok2 := e.ObjectNew.(*v1alpha1.ApplicationSet)
	return ok && ok2 && !equality.Semantic.DeepEqual(a.Status.ForkApprovals, b.Status.ForkApprovals)
}

// gathered enqueues the set that an object carries the label of, a moment later.
func gathered(namespace func(client.Object) string) handler.EventHandler {
	later := func(o client.Object, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		set, ns := o.GetLabels()[v1alpha1.LabelApplicationSet], namespace(o)
		if set != "" && ns != "" {
			q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: ns, Name: set}}, calm)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			later(e.Object, q)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			later(e.ObjectNew, q)
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			later(e.Object, q)
		},
	}
}

// Reconcile brings one set and its applications together.
func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	set := &v1alpha1.ApplicationSet{}
	if err := c.Reader.Get(ctx, req.NamespacedName, set); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	result, err := c.step(ctx, set)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil
	}
	return result, err
}

func (c *Controller) step(ctx context.Context, set *v1alpha1.ApplicationSet) (ctrl.Result, error) {
	if set.DeletionTimestamp.IsZero() && controllerutil.AddFinalizer(set, finalizer) {
		if err := c.Client.Update(ctx, set); err != nil {
			return ctrl.Result{}, err
		}
	}
	w := &work{Controller: c, set: set, keep: map[string]bool{}}
	if err := w.load(ctx); err != nil {
		return ctrl.Result{}, err
	}
	deleting := !set.DeletionTimestamp.IsZero()
	var blind error
	if !deleting {
		blind = w.make(ctx)
	}
	if blind == nil || deleting {
		if err := w.takeAway(ctx); err != nil {
			return ctrl.Result{}, err
		}
	}
	if deleting && w.left == 0 {
		c.forget(set.UID)
		controllerutil.RemoveFinalizer(set, finalizer)
		return ctrl.Result{}, client.IgnoreNotFound(c.Client.Update(ctx, set))
	}
	if err := w.report(ctx, blind); err != nil {
		return ctrl.Result{}, err
	}
	if w.busy || blind != nil {
		return ctrl.Result{RequeueAfter: soon}, nil
	}
	return ctrl.Result{RequeueAfter: backstop}, nil
}

// find what there is to make applications of.
func (c *Controller) find(ctx context.Context, set *v1alpha1.ApplicationSet) ([]Item, error) {
	repo := &v1alpha1.Repository{}
	err := c.Reader.Get(ctx, types.NamespacedName{Namespace: set.Namespace, Name: set.Spec.Repository}, repo)
	if apierrors.IsNotFound(err) {
		return nil, errUnseen{fmt.Errorf("repository %s does not exist", set.Spec.Repository)}
	}
	if err != nil {
		return nil, errUnseen{err}
	}
	if len(repo.Status.Refs) == 0 {
		return nil, errUnseen{fmt.Errorf("nothing has been seen of repository %s yet", repo.Name)}
	}
	return items(set, repo, func(commit string) ([]string, error) {
		c.mu.Lock()
		have := c.seen[set.UID]
		c.mu.Unlock()
		if have.commit == commit {
			return have.dirs, nil
		}
		dirs, err := c.Source.Directories(ctx, set.Namespace, repo.Name, commit)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.seen == nil {
			c.seen = map[types.UID]listing{}
		}
		c.seen[set.UID] = listing{commit, dirs}
		return dirs, nil
	})
}

func (c *Controller) forget(set types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.seen, set)
}

// report writes the status if it changed.
func (w *work) report(ctx context.Context, blind error) error {
	before := w.set.Status.DeepCopy()
	s := &w.set.Status
	s.Applications, s.Count = w.entries, w.count
	reason, message := "Generated", fmt.Sprintf("%d applications", w.count)
	var unseen errUnseen
	switch {
	case errors.As(blind, &unseen):
		reason, message = "NotSeen", blind.Error()+"; what was made stays"
	case blind != nil:
		reason, message = "Invalid", blind.Error()
	case w.left > 0:
		message += fmt.Sprintf(", %d being removed", w.left)
	}
	kube.SetCondition(&s.Conditions, w.set.Generation, kube.Ready, blind == nil, reason, message)
	if equality.Semantic.DeepEqual(before, s) {
		return nil
	}
	return w.Client.Status().Update(ctx, w.set)
}

func (c *Controller) event(set *v1alpha1.ApplicationSet, kind, reason, format string, args ...any) {
	if c.Events != nil {
		c.Events.Eventf(set, nil, kind, reason, "Generate", "%.900s", fmt.Sprintf(format, args...))
	}
}
