package environments

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// Plans reads what runs left.
type Plans interface {
	// Plan of a run; nil where it has none.
	Plan(ctx context.Context, namespace, run string) (*plan.Plan, error)
}

// Recorder reconciles Runs into Environments.
type Recorder struct {
	client.Client
	Plans Plans
	Log   *slog.Logger

	// plain are runs whose plans name no environment; plans do not change.
	plain sync.Map
}

var _ reconcile.Reconciler = (*Recorder)(nil)

// SetupWithManager registers the controller.
func (r *Recorder) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("environment-recorder").For(&v1alpha1.Run{}).Complete(r)
}

// Reconcile records what one run did to environments.
func (r *Recorder) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	run := &v1alpha1.Run{}
	if err := r.Get(ctx, req.NamespacedName, run); err != nil {
		r.plain.Delete(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if uid, ok := r.plain.Load(req.NamespacedName); ok && uid == run.UID || len(run.Status.Jobs) == 0 {
		return ctrl.Result{}, nil
	}
	p, err := r.Plans.Plan(ctx, run.Namespace, run.Name)
	if err != nil || p == nil {
		return ctrl.Result{}, err
	}
	named := false
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		job := p.Job(js.Name)
		if job == nil || job.Environment == nil {
			continue
		}
		named = true
		if js.Attempt == 0 {
			continue
		}
		err := r.job(ctx, run, p, job, js)
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			return ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil // the cache is behind
		}
		if err != nil {
			return ctrl.Result{}, err
		}
	}
	if !named {
		r.plain.Store(req.NamespacedName, run.UID)
	}
	return ctrl.Result{}, nil
}

func (r *Recorder) job(ctx context.Context, run *v1alpha1.Run, p *plan.Plan, job *plan.Job, js *v1alpha1.JobStatus) error {
	name := p.EnvironmentName(job)
	if name == "" || len(name) > MaxName {
		r.Log.Warn("environment", "run", run.Name, "job", job.Name, "err", "its name is empty or too long once its variables are known", "length", len(name))
		return nil
	}
	env, err := r.ensure(ctx, run, name)
	if err != nil || env == nil {
		return err
	}
	before := env.DeepCopy()
	record(name, &env.Status, event{run: run, job: job, js: js})
	if equality.Semantic.DeepEqual(before.Status, env.Status) {
		return nil
	}
	if before.Status.State != env.Status.State || before.Status.Commit != env.Status.Commit {
		r.Log.Info("environment", "namespace", env.Namespace, "repository", run.Spec.Repository, "environment", name, "state", env.Status.State, "run", run.Name)
	}
	return r.Status().Patch(ctx, env, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// ensure that the Environment is there.
func (r *Recorder) ensure(ctx context.Context, run *v1alpha1.Run, name string) (*v1alpha1.Environment, error) {
	env := &v1alpha1.Environment{}
	key := types.NamespacedName{Namespace: run.Namespace, Name: ObjectName(run.Spec.Repository, name)}
	err := r.Get(ctx, key, env)
	if err == nil && (env.Spec.Repository != run.Spec.Repository || env.Spec.Name != name) {
		return nil, fmt.Errorf("environment %s is %q of repository %s, not %q of %s", key.Name, env.Spec.Name, env.Spec.Repository, name, run.Spec.Repository)
	}
	if !apierrors.IsNotFound(err) {
		return env, err
	}
	repo := &v1alpha1.Repository{}
	if err := r.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository}, repo); err != nil {
		return nil, client.IgnoreNotFound(err) // the repository is gone, and with it its environments
	}
	env = &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{v1alpha1.LabelRepository: repo.Name},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(repo, v1alpha1.GroupVersion.WithKind("Repository"))},
		},
		Spec: v1alpha1.EnvironmentSpec{Repository: repo.Name, Name: name},
	}
	return env, r.Create(ctx, env)
}
