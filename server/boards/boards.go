// Package boards joins repositories and dashboards: what the newest commit of a repository's
// default branch has in its directory dashboards/ is stored, and what is wrong with it is
// said on the Repository, by a condition and an event. ConfigMaps of the cluster with the
// label that Grafana's sidecar looks for are followed as well, and what is stored is readied
// for a Grafana. Nothing else depends on that.
//
// It never reads a dashboard itself, nor a Git repository. Start at Follower.Reconcile;
// configmap.go and provision.go are the other two.
package boards

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/text"
	"slipway.dev/gitops/git"
	"slipway.dev/observability/dashboard"
	"slipway.dev/observability/dashboard/stored"
)

// Commits give files; *git.Store satisfies it.
type Commits interface {
	Exists(ctx context.Context, namespace, repository, commit, path string) (bool, error)
	Tree(ctx context.Context, namespace, repository, commit, dir string) ([]git.Entry, error)
	File(ctx context.Context, namespace, repository, commit, path string) ([]byte, error)
}

// Follower stores the dashboards of the newest commit of each repository's default
// branch, and says on the Repository what is wrong with them.
type Follower struct {
	client.Client
	Git    Commits
	Store  *stored.Store
	Events events.EventRecorder
	Log    *slog.Logger
	// Changed is told when there are other dashboards than before.
	Changed func()
}

// freeUID is how often it is looked whether another owner gave a UID free.
const freeUID = time.Minute

// SetupWithManager watches repositories.
func (f *Follower) SetupWithManager(m ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(m).Named("dashboards").For(&slipway.Repository{}).Complete(f)
}

// Reconcile one repository.
func (f *Follower) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var repo slipway.Repository
	err := f.Get(ctx, req.NamespacedName, &repo)
	if apierrors.IsNotFound(err) || err == nil && repo.DeletionTimestamp != nil {
		changed, err := f.Store.Forget(stored.Owner{Namespace: req.Namespace, Repository: req.Name})
		if changed {
			f.Changed()
		}
		return ctrl.Result{}, err
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	owner := stored.Owner{Namespace: repo.Namespace, Repository: repo.Name}
	commit := repo.Status.Refs["refs/heads/"+repo.Status.DefaultBranch].Commit
	if !f.Store.Settled(owner, commit) {
		files, err := f.read(ctx, &repo, commit)
		if err != nil {
			return ctrl.Result{}, err
		}
		changed, err := f.Store.Put(owner, commit, files)
		if err != nil {
			return ctrl.Result{}, err
		}
		if changed {
			f.Log.Info("dashboards of a repository changed", "namespace", repo.Namespace, "repository", repo.Name, "commit", commit)
			f.Changed()
		}
	}
	state, result := f.Store.State(owner), ctrl.Result{}
	if state.Waits {
		result.RequeueAfter = freeUID
	}
	err = f.say(ctx, &repo, state)
	if apierrors.IsConflict(err) { // what somebody else wrote comes here too
		err = nil
	}
	return result, client.IgnoreNotFound(err)
}

// read the files of dashboards of a commit.
func (f *Follower) read(ctx context.Context, repo *slipway.Repository, commit string) ([]dashboard.File, error) {
	if commit == "" {
		return nil, nil
	}
	// Asked first, so that a commit that is not there is not taken for one without any.
	if there, err := f.Git.Exists(ctx, repo.Namespace, repo.Name, commit, dashboard.Directory); err != nil || !there {
		return nil, err
	}
	tree, err := f.Git.Tree(ctx, repo.Namespace, repo.Name, commit, dashboard.Directory)
	if errors.Is(err, git.ErrNotFound) { // no directory
		return nil, nil
	}
	if errors.Is(err, git.ErrLimit) {
		return []dashboard.File{{Path: dashboard.Directory, Refused: err.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	entries := make([]dashboard.Entry, len(tree))
	for i, e := range tree {
		entries[i] = dashboard.Entry{Path: e.Path, Size: e.Size}
		switch e.Kind {
		case "link":
			entries[i].Not = "a symbolic link"
		case "directory", "submodule":
			entries[i].Not = "a " + e.Kind
		}
	}
	return dashboard.Collect(entries, func(path string) ([]byte, error) { return f.Git.File(ctx, repo.Namespace, repo.Name, commit, path) })
}

// say on the Repository how its dashboards are, and send an event where they are bad.
func (f *Follower) say(ctx context.Context, repo *slipway.Repository, state stored.State) error {
	before := repo.DeepCopy()
	c := metav1.Condition{Type: slipway.ConditionDashboards, Status: metav1.ConditionTrue, Reason: slipway.ReasonDashboardsRead, Message: fmt.Sprintf("%d dashboards", state.Count), ObservedGeneration: repo.Generation}
	if len(state.Problems) > 0 {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, slipway.ReasonBadDashboard, inWords(state.Problems)
	}
	var changed bool
	if state.Count == 0 && len(state.Problems) == 0 {
		changed = meta.RemoveStatusCondition(&repo.Status.Conditions, c.Type)
	} else {
		was := meta.FindStatusCondition(before.Status.Conditions, c.Type)
		changed = (was == nil || was.Status != c.Status || was.Message != c.Message) && meta.SetStatusCondition(&repo.Status.Conditions, c)
	}
	if !changed {
		return nil
	}
	// With the version that was read: the list of conditions is one value to a patch.
	if err := f.Status().Patch(ctx, repo, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return err
	}
	if c.Status == metav1.ConditionFalse {
		f.Events.Eventf(repo, nil, corev1.EventTypeWarning, c.Reason, "ReadDashboards", "%s", text.Mark(c.Message, 900))
	}
	return nil
}

// mostTold of what is wrong with files, in a condition.
const mostTold = 5

func inWords(problems []dashboard.Problem) string {
	var lines []string
	for i, p := range problems {
		if i == mostTold {
			lines = append(lines, fmt.Sprintf("and %d more", len(problems)-i))
			break
		}
		lines = append(lines, text.Mark(p.Error(), 300))
	}
	return strings.Join(lines, "; ")
}
