package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/archive"
)

// ListRuns returns at most limit runs of a namespace, or of one repository in it, newest first, in
// etcd or not, after the place that an earlier list gave; next is the place to go on
// from, "" where there is no more.
func (c *Controller) ListRuns(ctx context.Context, namespace, repository, after string, limit int) (runs []v1alpha1.Run, next string, err error) {
	from, err := archive.ParsePosition(after)
	if err != nil {
		return nil, "", apierrors.NewBadRequest(fmt.Sprintf("continue %q: %v", after, err))
	}
	live := &v1alpha1.RunList{}
	options := []client.ListOption{client.InNamespace(namespace)}
	if repository != "" {
		options = append(options, client.MatchingLabels{v1alpha1.LabelRepository: repository})
	}
	if err := c.List(ctx, live, options...); err != nil {
		return nil, "", err
	}
	there := map[string]bool{}
	for i := range live.Items {
		run := &live.Items[i]
		there[run.Name] = true
		if archive.PositionOf(run).After(from) {
			runs = append(runs, *run)
		}
	}
	// One more than asked for says whether there is more; those that are in etcd too do not count.
	old, err := c.Archive.List(namespace, repository, from, limit+1+len(there))
	if err != nil {
		return nil, "", err
	}
	for i := range old {
		if !there[old[i].Name] {
			runs = append(runs, old[i])
		}
	}
	slices.SortFunc(runs, func(a, b v1alpha1.Run) int {
		return cmp.Compare(archive.PositionOf(&b), archive.PositionOf(&a))
	})
	if len(runs) > limit {
		runs = runs[:limit]
		next = archive.PositionOf(&runs[limit-1]).Token()
	}
	return runs, next, nil
}

// purgeGone removes what the archive has of repositories that are gone.
func (c *Controller) purgeGone(ctx context.Context) error {
	newest, err := c.Archive.Repositories()
	if err != nil {
		return err
	}
	for i := range newest {
		repo := &v1alpha1.Repository{}
		name := repositoryKey(&newest[i])
		if err := c.Get(ctx, name, repo); client.IgnoreNotFound(err) != nil {
			return err
		}
		if err := c.Purge(ctx, name, repo.UID); err != nil {
			return err
		}
	}
	return nil
}

// Purge removes from the archive, with all that they left, the runs of a repository that
// had this name before the one with the UID; "" is none.
func (c *Controller) Purge(ctx context.Context, repository types.NamespacedName, uid types.UID) error {
	for {
		runs, err := c.Archive.List(repository.Namespace, repository.Name, "", 100)
		if err != nil || len(runs) == 0 || uid != "" && ownedBy(&runs[0], uid) {
			return err
		}
		for i := range runs {
			if err := c.removeArchived(ctx, &runs[i]); err != nil {
				return err
			}
		}
	}
}

func ownedBy(run *v1alpha1.Run, uid types.UID) bool {
	for _, o := range run.OwnerReferences {
		if o.UID == uid {
			return true
		}
	}
	return false
}

// DeleteRun removes a run with its logs and artifacts, wherever it is.
func (c *Controller) DeleteRun(ctx context.Context, namespace, name string) error {
	run, err := c.run(ctx, namespace, name)
	if err != nil {
		return err
	}
	if run.ResourceVersion != "" {
		return c.Client.Delete(ctx, run)
	}
	return c.removeArchived(ctx, run)
}

// removeArchived forgets a run, its bytes, and the runs in the archive that it started.
func (c *Controller) removeArchived(ctx context.Context, run *v1alpha1.Run) error {
	for _, name := range childrenOf(run) {
		child, err := c.archived(run.Namespace, name)
		if err != nil {
			return err
		}
		if child != nil && child.Spec.Cause == v1alpha1.RunCauseChild {
			if err := c.removeArchived(ctx, child); err != nil {
				return err
			}
		}
	}
	if err := c.forgetBytes(ctx, run); err != nil {
		return err
	}
	return c.Archive.Delete(run.Namespace, run.Name)
}

// archived run, or nil.
func (c *Controller) archived(namespace, name string) (*v1alpha1.Run, error) {
	run, err := c.Archive.Get(namespace, name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", name, err)
	}
	return run, nil
}

// revive puts an archived run back into etcd, as it was, so that it can begin again. It
// returns when the run can be read there.
func (c *Controller) revive(ctx context.Context, old *v1alpha1.Run) error {
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, repositoryKey(old), repo); err != nil {
		return err
	}
	run := old.DeepCopy()
	run.UID, run.Finalizers = "", []string{finalizer}
	if run.Annotations == nil {
		run.Annotations = map[string]string{}
	}
	run.Annotations[v1alpha1.AnnotationArchived] = returning
	err := c.Create(ctx, run)
	if err == nil {
		err = c.bring(ctx, run)
	}
	if err != nil && !apierrors.IsAlreadyExists(err) && !isMoved(err) {
		return fmt.Errorf("run %s: take it out of the archive: %w", old.Name, err)
	}
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		now := &v1alpha1.Run{}
		err := c.Get(ctx, key(old), now)
		return err == nil && now.Annotations[v1alpha1.AnnotationArchived] == "", client.IgnoreNotFound(err)
	})
}

// bring a run that is marked as returning back to the state that the archive has.
func (c *Controller) bring(ctx context.Context, run *v1alpha1.Run) error {
	old, err := c.archived(run.Namespace, run.Name)
	if err != nil {
		return err
	}
	if old != nil {
		run.Status = old.Status
		if err := c.Status().Update(ctx, run); err != nil {
			return err
		}
	}
	if err := c.mark(ctx, run, ""); err != nil {
		return err
	}
	c.Log.Info("run taken out of the archive", "namespace", run.Namespace, "run", run.Name)
	return c.Archive.Delete(run.Namespace, run.Name)
}

// isMoved: somebody changed the run in between, or it is gone; the next look decides.
func isMoved(err error) bool { return apierrors.IsConflict(err) || apierrors.IsNotFound(err) }

func ignoreMoved(err error) error {
	if isMoved(err) {
		return nil
	}
	return err
}
