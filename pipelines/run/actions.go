package run

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/joblog"
	"slipway.dev/pipelines/plan"
)

func playAnnotation(id string) string { return "play.slipway.dev/" + id }

func (c *Controller) run(ctx context.Context, namespace, name string) (*v1alpha1.Run, error) {
	run := &v1alpha1.Run{}
	return run, c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, run)
}

// Start makes a run by hand of the commit that ref (a full or short name, or empty
// for the default branch) points to.
func (c *Controller) Start(ctx context.Context, namespace, repository, ref string, variables map[string]string, by string) (*v1alpha1.Run, error) {
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: repository}, repo); err != nil {
		return nil, err
	}
	if ref == "" {
		if ref = repo.Spec.DefaultBranch; ref == "" {
			ref = repo.Status.DefaultBranch
		}
	}
	for _, full := range []string{ref, "refs/heads/" + ref, "refs/tags/" + ref} {
		if s, ok := repo.Status.Refs[full]; ok {
			run := newRun(repo, full, s)
			run.Spec.Cause, run.Spec.By, run.Spec.Variables = "manual", by, variables
			return run, c.createNext(ctx, run, Name(repository, s.Sequence))
		}
	}
	var known []string
	for name := range repo.Status.Refs {
		known = append(known, strings.TrimPrefix(name, "refs/heads/"))
	}
	slices.Sort(known)
	return nil, apierrors.NewBadRequest(fmt.Sprintf("repository %s: %q not found; known: %s", repository, ref, strings.Join(known, ", ")))
}

// Rerun makes a new run of the same commit.
func (c *Controller) Rerun(ctx context.Context, namespace, name, by string) (*v1alpha1.Run, error) {
	old, err := c.run(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	repo := &v1alpha1.Repository{}
	if err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: old.Spec.Repository}, repo); err != nil {
		return nil, err
	}
	run := newRun(repo, old.Spec.Ref, v1alpha1.RefStatus{})
	run.Spec = *old.Spec.DeepCopy()
	run.Spec.Cause, run.Spec.By, run.Spec.Cancel = "rerun", by, false
	return run, c.createNext(ctx, run, Name(old.Spec.Repository, old.Spec.Sequence))
}

// maxReruns of one update.
const maxReruns = 1000

// createNext takes the first free name <base>-r<N>.
func (c *Controller) createNext(ctx context.Context, run *v1alpha1.Run, base string) error {
	list := &v1alpha1.RunList{}
	if err := c.List(ctx, list, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRepository: run.Spec.Repository}); err != nil {
		return err
	}
	n := 1
	for i := range list.Items {
		var have int
		if rest, ok := strings.CutPrefix(list.Items[i].Name, base+"-r"); ok {
			if _, err := fmt.Sscanf(rest, "%d", &have); err == nil {
				n = max(n, have+1)
			}
		}
	}
	for ; n <= maxReruns; n++ {
		run.Name, run.ResourceVersion = fmt.Sprintf("%s-r%d", base, n), ""
		err := c.Create(ctx, run)
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return fmt.Errorf("run %s was repeated %d times already; push a new commit", base, maxReruns)
}

// Cancel asks a run to stop what runs and to start nothing more.
func (c *Controller) Cancel(ctx context.Context, namespace, name, by string) error {
	run, err := c.run(ctx, namespace, name)
	if err != nil {
		return err
	}
	if run.Status.Phase.Finished() || run.Spec.Cancel {
		return nil
	}
	patch := client.MergeFrom(run.DeepCopy())
	run.Spec.Cancel = true
	c.Log.Info("run canceled", "namespace", namespace, "run", name, "by", by)
	return c.Patch(ctx, run, patch)
}

// Play starts a manual job.
func (c *Controller) Play(ctx context.Context, namespace, name, job, by string) error {
	run, j, err := c.job(ctx, namespace, name, job)
	if err != nil {
		return err
	}
	js := jobStatus(run, j.Name)
	if !js.Manual || js.Phase != v1alpha1.Pending || run.Spec.Cancel {
		return apierrors.NewBadRequest(fmt.Sprintf("job %q is not a manual job that waits; it is %s", j.Name, js.Phase))
	}
	patch := client.MergeFrom(run.DeepCopy())
	if run.Annotations == nil {
		run.Annotations = map[string]string{}
	}
	run.Annotations[playAnnotation(j.ID)] = by
	return c.Patch(ctx, run, patch)
}

// job by its name or ID.
func (c *Controller) job(ctx context.Context, namespace, name, job string) (*v1alpha1.Run, *plan.Job, error) {
	run, err := c.run(ctx, namespace, name)
	if err != nil {
		return nil, nil, err
	}
	p, err := loadPlan(ctx, c.Artifacts, namespace, name)
	if err != nil {
		return nil, nil, err
	}
	if p != nil {
		for i := range p.Jobs {
			if (p.Jobs[i].Name == job || p.Jobs[i].ID == job) && jobStatus(run, p.Jobs[i].Name) != nil {
				return run, &p.Jobs[i], nil
			}
		}
	}
	return nil, nil, apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("jobs").GroupResource(), job)
}

// OpenLog reads the log of a job's attempt; attempt 0 is the newest.
func (c *Controller) OpenLog(ctx context.Context, namespace, name, job string, attempt int, follow bool) (io.ReadCloser, error) {
	run, j, err := c.job(ctx, namespace, name, job)
	if err != nil {
		return nil, err
	}
	js := jobStatus(run, j.Name)
	if attempt == 0 {
		attempt = max(js.Attempt, 1)
	}
	if js.Phase.Finished() && js.Attempt < attempt {
		return io.NopCloser(strings.NewReader("")), nil // it never ran
	}
	return c.LogStore.Open(ctx, joblog.Attempt{Namespace: namespace, Run: name, Job: j.ID, Number: attempt}, follow)
}
