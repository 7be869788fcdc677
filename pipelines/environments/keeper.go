package environments

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
)

// Keeper stops environments: when asked, when their time is over, when their branch is
// gone. It also deploys again what was deployed before.
type Keeper struct {
	client.Client
	// Act asks a run for actions on jobs; a refusal is an API error (bad request, not found).
	Act func(ctx context.Context, namespace, run string, actions ...v1alpha1.RunAction) error
	Log *slog.Logger
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

var _ reconcile.Reconciler = (*Keeper)(nil)

// ByItself is who stops an environment whose time or branch is over.
const ByItself = "slipway"

// SetupWithManager registers the controller.
func (k *Keeper) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("environment-keeper").For(&v1alpha1.Environment{}).
		Watches(&v1alpha1.Repository{}, handler.EnqueueRequestsFromMapFunc(k.ofRepository)).Complete(k)
}

func (k *Keeper) ofRepository(ctx context.Context, o client.Object) []reconcile.Request {
	list := &v1alpha1.EnvironmentList{}
	if err := k.List(ctx, list, client.InNamespace(o.GetNamespace()), client.MatchingLabels{v1alpha1.LabelRepository: o.GetName()}); err != nil {
		return nil
	}
	var out []reconcile.Request
	for i := range list.Items {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return out
}

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

// maxWait until the clock is looked at again: it may be set meanwhile.
const maxWait = 10 * time.Minute

// Reconcile stops one environment if it is time.
func (k *Keeper) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	env := &v1alpha1.Environment{}
	if err := k.Get(ctx, req.NamespacedName, env); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if env.Status.State != Available || !env.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	gone, err := k.branchGone(ctx, env)
	if err != nil {
		return ctrl.Result{}, err
	}
	left := maxWait
	if env.Status.AutoStopAt != nil {
		left = env.Status.AutoStopAt.Sub(k.now())
	}
	if gone || left <= 0 {
		k.Log.Info("environment is stopped by itself", "namespace", env.Namespace, "repository", env.Spec.Repository, "environment", env.Spec.Name, "branchGone", gone)
		return ctrl.Result{}, k.stop(ctx, env, ByItself)
	}
	if env.Status.AutoStopAt == nil {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: min(left, maxWait)}, nil
}

// branchGone says whether the branch that was deployed was deleted, or the merge request
// closed or merged, and there is a job to stop what it left. A repository without any
// ref is one that is not read yet.
func (k *Keeper) branchGone(ctx context.Context, env *v1alpha1.Environment) (bool, error) {
	request := v1alpha1.MergeRequestOf(env.Status.Ref)
	if env.Status.OnStop == "" || !strings.HasPrefix(env.Status.Ref, "refs/heads/") && request == 0 {
		return false, nil
	}
	repo := &v1alpha1.Repository{}
	err := k.Get(ctx, types.NamespacedName{Namespace: env.Namespace, Name: env.Spec.Repository}, repo)
	if err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if request > 0 {
		m := repo.Status.MergeRequest(request)
		return m != nil && !m.Open(), nil
	}
	_, there := repo.Status.Refs[env.Status.Ref]
	return !there && len(repo.Status.Refs) > 0, nil
}

// Stop an environment: by its on_stop job, or, where it has none, by saying so.
func (k *Keeper) Stop(ctx context.Context, namespace, name, by string) error {
	env := &v1alpha1.Environment{}
	if err := k.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, env); err != nil {
		return err
	}
	if env.Status.State == Stopped {
		return apierrors.NewBadRequest(fmt.Sprintf("environment %s is stopped already", env.Spec.Name))
	}
	return k.stop(ctx, env, by)
}

func (k *Keeper) stop(ctx context.Context, env *v1alpha1.Environment, by string) error {
	state, err := k.ask(ctx, env, by)
	if err != nil {
		return err
	}
	before := env.DeepCopy()
	env.Status.State, env.Status.AutoStopAt = state, nil
	err = k.Status().Patch(ctx, env, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) {
		return nil // a job was recorded meanwhile; it is looked at again
	}
	return err
}

// ask the run for its stop job, unless it was asked already, and say in which state the
// environment is then.
func (k *Keeper) ask(ctx context.Context, env *v1alpha1.Environment, by string) (string, error) {
	if env.Status.OnStop == "" {
		return Stopped, nil
	}
	run := &v1alpha1.Run{}
	err := k.Get(ctx, types.NamespacedName{Namespace: env.Namespace, Name: env.Status.Run}, run)
	if apierrors.IsNotFound(err) {
		return Stopped, nil
	}
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(run.Status.Jobs, func(js v1alpha1.JobStatus) bool { return js.Name == env.Status.OnStop })
	if i < 0 {
		return Stopped, nil
	}
	js := &run.Status.Jobs[i]
	for n, a := range run.Spec.Actions {
		if n >= run.Status.Handled && a.Job == js.Name && (a.Verb == "play" || a.Verb == "retry") {
			return Stopping, nil
		}
	}
	verb := "play"
	switch tried := js.StartedAt != nil && env.Status.DeployedAt != nil && env.Status.DeployedAt.Before(js.StartedAt); {
	case js.Phase == v1alpha1.Running:
		return Stopping, nil
	case tried && by == ByItself:
		return env.Status.State, nil // it failed; only a person tries again
	case js.Phase.Finished() && js.Phase != v1alpha1.Skipped:
		verb = "retry"
	}
	err = k.Act(ctx, env.Namespace, run.Name, v1alpha1.RunAction{Verb: verb, Job: js.Name, By: by})
	if apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) {
		// The job cannot run (any more): there is nothing else that could stop it.
		k.Log.Warn("the stop job cannot run", "environment", env.Spec.Name, "run", run.Name, "job", js.Name, "err", err)
		return Stopped, nil
	}
	return Stopping, err
}

// Redeploy deploys again: the deployment of that run (empty: the current one), by a new
// attempt of its job.
func (k *Keeper) Redeploy(ctx context.Context, namespace, name, run, by string) error {
	env := &v1alpha1.Environment{}
	if err := k.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, env); err != nil {
		return err
	}
	job := env.Status.Job
	if run == "" {
		run = env.Status.Run
	}
	if run != env.Status.Run {
		job = ""
		for _, d := range env.Status.History {
			if d.Run == run && d.Phase == v1alpha1.Succeeded {
				job = d.Job
				break
			}
		}
	}
	if run == "" || job == "" {
		return apierrors.NewBadRequest(fmt.Sprintf("environment %s: run %q did not deploy to it; its history lists those that did", env.Spec.Name, run))
	}
	return k.Act(ctx, namespace, run, v1alpha1.RunAction{Verb: "retry", Job: job, By: by})
}
