package run

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/refs"
)

// Pushes makes a Run for each ref update and each head of a merge request of each
// Repository. Up to which it has is written to an annotation after the Runs, whose names
// are deterministic, so that a crash between repeats into AlreadyExists; and it outlives
// the Runs, so that deleting one does not bring it back.
type Pushes struct {
	client.Client
	// Purge forgets the archived runs of a repository that had the name before the one
	// with the UID, "" where there is none now: names of runs begin again with each.
	Purge func(ctx context.Context, repository types.NamespacedName, uid types.UID) error
	Log   *slog.Logger
}

// SetupWithManager registers the controller.
func (p *Pushes) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("pushes").For(&v1alpha1.Repository{}).Complete(p)
}

// Name of the run of an update.
func Name(repository string, sequence int64) string {
	return repository + "-" + strconv.FormatInt(sequence, 10)
}

// Reconcile makes the runs that one repository does not have yet.
func (p *Pushes) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	repo := &v1alpha1.Repository{}
	if err := p.Get(ctx, req.NamespacedName, repo); apierrors.IsNotFound(err) {
		return ctrl.Result{}, p.Purge(ctx, req.NamespacedName, "")
	} else if err != nil {
		return ctrl.Result{}, err
	}
	if !repo.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	handled := repo.RunsThrough()
	updates := pending(repo, handled)
	through := handled
	for _, u := range updates {
		through = max(through, u.Sequence)
	}
	var requests []*v1alpha1.MergeRequest
	for i := range repo.Status.MergeRequests {
		if m := &repo.Status.MergeRequests[i]; m.Sequence > handled {
			requests = append(requests, m)
			through = max(through, m.Sequence)
		}
	}
	if through == handled {
		return ctrl.Result{}, nil
	}
	if err := p.Purge(ctx, req.NamespacedName, repo.UID); err != nil {
		return ctrl.Result{}, err
	}
	for _, u := range updates {
		ref, s := u.Ref, u.RefStatus
		if !refs.Watched(&repo.Spec, ref) || s.Commit == "" || s.NoRun != "" {
			continue
		}
		run := newRun(repo, ref, s)
		run.Name = Name(repo.Name, s.Sequence)
		run.Spec.Cause, run.Spec.By, run.Spec.Variables, run.Spec.Before = "push", s.By, s.Variables, s.Before
		if err := p.create(ctx, run); err != nil {
			return ctrl.Result{}, err
		}
	}
	for _, m := range requests {
		if !starts(repo, m) {
			continue
		}
		if err := p.create(ctx, ofRequest(repo, m)); err != nil {
			return ctrl.Result{}, err
		}
	}
	patch := client.MergeFrom(repo.DeepCopy())
	if repo.Annotations == nil {
		repo.Annotations = map[string]string{}
	}
	repo.Annotations[v1alpha1.RunsThroughAnnotation] = strconv.FormatInt(through, 10)
	return ctrl.Result{}, client.IgnoreNotFound(p.Patch(ctx, repo, patch))
}

func (p *Pushes) create(ctx context.Context, run *v1alpha1.Run) error {
	if err := p.Create(ctx, run); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("run %s: %w", run.Name, err)
	}
	p.Log.Info("run made", "namespace", run.Namespace, "run", run.Name, "ref", run.Spec.Ref, "commit", run.Spec.Commit)
	return nil
}

// pending are the updates that have no run yet, in their order: what the refs are at, and
// what they were at before.
func pending(repo *v1alpha1.Repository, handled int64) (updates []v1alpha1.RefUpdate) {
	for _, u := range repo.Status.Overtaken {
		if u.Sequence > handled {
			updates = append(updates, u)
		}
	}
	for ref, s := range repo.Status.Refs {
		if s.Sequence > handled {
			updates = append(updates, v1alpha1.RefUpdate{Ref: ref, RefStatus: s})
		}
	}
	slices.SortFunc(updates, func(a, b v1alpha1.RefUpdate) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return updates
}

// newRun of what a ref points to. What was there before is known to a push only.
func newRun(repo *v1alpha1.Repository, ref string, s v1alpha1.RefStatus) *v1alpha1.Run {
	return &v1alpha1.Run{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:  repo.Namespace,
			Labels:     map[string]string{v1alpha1.LabelRepository: repo.Name},
			Finalizers: []string{finalizer},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(repo, v1alpha1.GroupVersion.WithKind("Repository")),
			},
		},
		Spec: v1alpha1.RunSpec{Repository: repo.Name, Commit: s.Commit, Ref: ref, Sequence: s.Sequence},
	}
}
