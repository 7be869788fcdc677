package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/outside"
	"slipway.dev/cluster/refs"
)

// Finalizer keeps a Repository until its data is removed.
const Finalizer = "slipway.dev/git-data"

// Reconciler makes the data of Repository objects, follows repositories elsewhere
// by polling, on Kick and on Sync, and removes the data of deleted ones.
type Reconciler struct {
	Host   *Host
	Remote Remote
	// Parallel fetches. Default 4.
	Parallel int
	// StillOpen asks forges for merge requests. Optional.
	StillOpen StillOpen
	// Removed is told when the data of a deleted repository is gone. Optional.
	Removed func(ns, name string) error

	mu     sync.Mutex
	polls  map[types.NamespacedName]*poll
	apps   apps
	events chan event.TypedGenericEvent[*v1alpha1.Repository]
}

// poll is what is known between two looks at one repository.
type poll struct {
	next     time.Time
	failures int
	kicked   string    // via, where somebody asked for a look
	owed     string    // via of such a look that failed
	later    time.Time // until when the other side wants no requests
	spec     int64
	// asked is when the forge was asked of each merge request that is open.
	asked map[int64]time.Time
}

// SetupWithManager registers the controller.
func (r *Reconciler) SetupWithManager(m ctrl.Manager) error {
	r.init()
	parallel := r.Parallel
	if parallel <= 0 {
		parallel = 4
	}
	return ctrl.NewControllerManagedBy(m).Named("repository").For(&v1alpha1.Repository{}).
		WatchesRawSource(source.Channel(r.events, &handler.TypedEnqueueRequestForObject[*v1alpha1.Repository]{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: parallel}).Complete(r)
}

func (r *Reconciler) init() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events == nil {
		r.events = make(chan event.TypedGenericEvent[*v1alpha1.Repository], 1024)
		r.polls = map[types.NamespacedName]*poll{}
	}
}

// Kick looks at the repository now, as a webhook asks for. It does not wait.
func (r *Reconciler) Kick(ns, name string) { r.kick(ns, name, "webhook") }

// Sync looks at the repository's remote now, because a person asks to.
func (r *Reconciler) Sync(ctx context.Context, ns, name string) error {
	var repo v1alpha1.Repository
	if err := r.Host.Client.Get(ctx, client.ObjectKey{Namespace: ns, Name: name}, &repo); err != nil {
		return err
	}
	if repo.Spec.URL == "" {
		return r.Host.ReconcileOne(ctx, &repo)
	}
	r.kick(ns, name, "manual")
	return nil
}

func (r *Reconciler) kick(ns, name, via string) {
	r.init()
	key := types.NamespacedName{Namespace: ns, Name: name}
	r.mu.Lock()
	r.state(key).kicked = via
	r.mu.Unlock()
	select {
	case r.events <- event.TypedGenericEvent[*v1alpha1.Repository]{Object: &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}}:
	default: // so many are waiting that the next poll serves as well
	}
}

// state of key; the caller holds mu.
func (r *Reconciler) state(key types.NamespacedName) *poll {
	p := r.polls[key]
	if p == nil {
		p = &poll{}
		r.polls[key] = p
	}
	return p
}

// Reconcile brings one Repository and its data together.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	r.init()
	r.Host.init()
	var repo v1alpha1.Repository
	if err := r.Host.Client.Get(ctx, req.NamespacedName, &repo); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if repo.DeletionTimestamp != nil {
		return ctrl.Result{}, r.remove(ctx, &repo)
	}
	if err := ValidName(repo.Name); err != nil {
		return ctrl.Result{}, r.notReady(ctx, &repo, "InvalidName", err)
	}
	if !controllerutil.ContainsFinalizer(&repo, Finalizer) {
		before := repo.DeepCopy()
		controllerutil.AddFinalizer(&repo, Finalizer)
		if err := r.Host.Client.Patch(ctx, &repo, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return ctrl.Result{}, err
		}
	}
	if repo.Spec.URL == "" {
		return ctrl.Result{}, r.host(ctx, &repo)
	}
	return r.mirror(ctx, &repo)
}

// host makes the empty repository of an object that was made before its first push.
func (r *Reconciler) host(ctx context.Context, repo *v1alpha1.Repository) error {
	if err := r.Host.ensure(repo.Namespace, repo.Name, hosted); err != nil {
		return r.notReady(ctx, repo, "NotStored", err)
	}
	if c := condition(repo); c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == repo.Generation {
		return nil
	}
	if r.Host.pushing(repo.Namespace, repo.Name) {
		return nil // the push itself records what it brought, and by whom
	}
	_, err := r.Host.record(ctx, repo.Namespace, repo.Name, "push", "", nil)
	return err
}

// mirror looks at the URL when it is time to, or when it was asked to.
func (r *Reconciler) mirror(ctx context.Context, repo *v1alpha1.Repository) (ctrl.Result, error) {
	key := client.ObjectKeyFromObject(repo)
	r.mu.Lock()
	p := r.state(key)
	via := cmp.Or(p.kicked, p.owed, "poll")
	if wait := time.Until(p.next); wait > 0 && (p.kicked == "" || time.Until(p.later) > 0) && p.spec == repo.Generation {
		r.mu.Unlock()
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	p.kicked, p.owed, p.spec = "", "", repo.Generation
	r.mu.Unlock()

	err := r.Host.room()
	var cred *Credentials
	if err == nil {
		cred, err = r.credentials(ctx, repo)
	}
	var heads map[string]string
	if err == nil {
		heads, err = r.wantedHeads(ctx, key)
	}
	if err == nil {
		err = r.Host.Fetch(ctx, repo.Namespace, repo.Name, Source{
			URL: repo.Spec.URL, Remote: r.Remote, Credentials: cred, Filter: filter(repo), Heads: heads, DefaultBranch: repo.Spec.DefaultBranch,
			Wanted: func(ref string) bool { return refs.Watched(&repo.Spec, ref) },
		})
	}
	var updates []Update
	if err == nil {
		updates, err = r.Host.record(ctx, repo.Namespace, repo.Name, via, "", nil)
	}
	if apierrors.IsNotFound(err) {
		return ctrl.Result{}, nil
	}
	now := time.Now()
	r.mu.Lock()
	if err == nil {
		p.failures = 0
	} else {
		p.failures++
		if via != "poll" {
			p.owed = via // what it finds was told of
		}
	}
	var later *laterError
	if p.later = (time.Time{}); errors.As(err, &later) {
		p.later = later.until
	}
	wait := pause(polling(repo, via, len(updates) > 0, now).Every.Duration, p.failures, time.Until(p.later))
	p.next = now.Add(wait)
	if p.kicked != "" && later == nil { // asked again meanwhile
		wait = 10 * time.Millisecond
	}
	r.mu.Unlock()
	if err != nil {
		r.Host.Log.Warn("repository not polled", "namespace", repo.Namespace, "repository", repo.Name, "again", wait.Round(time.Second), slog.Any("error", err))
		return ctrl.Result{RequeueAfter: wait}, r.notReady(ctx, repo, reason(err), err)
	}
	r.askForge(ctx, repo)
	return ctrl.Result{RequeueAfter: wait}, nil
}

// filter names what of the remote is mirrored.
func filter(repo *v1alpha1.Repository) string {
	s := &repo.Spec
	if len(s.Branches)+len(s.ExcludeBranches)+len(s.Tags)+len(s.ExcludeTags) == 0 {
		return ""
	}
	return fmt.Sprintf("%q %q %q %q", s.Branches, s.ExcludeBranches, s.Tags, s.ExcludeTags)
}

func reason(err error) string {
	switch {
	case errors.Is(err, outside.ErrAddress):
		return "AddressNotAllowed"
	case errors.Is(err, ErrName):
		return "InvalidURL"
	case errors.Is(err, ErrLimit):
		return "OverLimit"
	case errors.As(err, new(*laterError)):
		return "RateLimited"
	}
	return "NotFetched"
}

func (r *Reconciler) remove(ctx context.Context, repo *v1alpha1.Repository) error {
	r.forget(client.ObjectKeyFromObject(repo))
	if !controllerutil.ContainsFinalizer(repo, Finalizer) {
		return nil
	}
	if err := r.Host.Remove(repo.Namespace, repo.Name); err != nil {
		return err
	}
	if r.Removed != nil {
		if err := r.Removed(repo.Namespace, repo.Name); err != nil {
			return err
		}
	}
	before := repo.DeepCopy()
	controllerutil.RemoveFinalizer(repo, Finalizer)
	return client.IgnoreNotFound(r.Host.Client.Patch(ctx, repo, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
}

func (r *Reconciler) forget(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.polls, key)
}

// notReady writes the reason where people look; it is not an error of ours.
func (r *Reconciler) notReady(ctx context.Context, repo *v1alpha1.Repository, why string, cause error) error {
	return client.IgnoreNotFound(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var now v1alpha1.Repository
		if err := r.Host.Reader.Get(ctx, client.ObjectKeyFromObject(repo), &now); err != nil {
			return err
		}
		before := condition(&now)
		if before != nil && before.Status == metav1.ConditionFalse && before.Reason == why && before.Message == clip(cause.Error(), 1000) && before.ObservedGeneration == now.Generation {
			return nil
		}
		ready(&now, metav1.ConditionFalse, why, cause.Error())
		return r.Host.Client.Status().Update(ctx, &now)
	}))
}

func condition(repo *v1alpha1.Repository) *metav1.Condition {
	for i := range repo.Status.Conditions {
		if c := &repo.Status.Conditions[i]; c.Type == "Ready" {
			out := *c
			return &out
		}
	}
	return nil
}
