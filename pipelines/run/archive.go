package run

import (
	"context"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

const (
	// defaultArchiveAfter is how long runs that are over stay in etcd.
	defaultArchiveAfter = time.Hour
	// archiveEvery is how often those that stayed long enough are looked for.
	archiveEvery = time.Minute
	// reportPatience is how long a run that a forge has not been told of stays.
	reportPatience = 24 * time.Hour
)

// Values of v1alpha1.AnnotationArchived: on the way out of etcd, or back into it.
const (
	leaving   = "leaving"
	returning = "returning"
)

// ArchiveRuns moves runs that are over from etcd to the archive, now and then, until ctx
// ends. What was begun before a crash is ended first.
func (c *Controller) ArchiveRuns(ctx context.Context) error {
	every := archiveEvery
	if c.Settings.ArchiveAfter > 0 {
		every = min(every, c.Settings.ArchiveAfter)
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if err := c.archive(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.Log.Error("archive runs", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (c *Controller) archive(ctx context.Context, at time.Time) error {
	list := &v1alpha1.RunList{}
	if err := c.List(ctx, list); err != nil {
		return err
	}
	stay, repos, err := c.stay(ctx, list.Items, at)
	if err != nil {
		return err
	}
	for _, family := range families(list.Items) {
		if err := c.archiveFamily(ctx, family, stay, repos); err != nil {
			return err
		}
	}
	return c.purgeGone(ctx)
}

// families are the runs with those that they started, the started ones first: a run
// goes with the one that owns it, so it must have gone before.
func families(runs []v1alpha1.Run) (out [][]*v1alpha1.Run) {
	children := map[types.NamespacedName][]*v1alpha1.Run{}
	there := map[types.NamespacedName]bool{}
	for i := range runs {
		there[key(&runs[i])] = true
	}
	parent := func(run *v1alpha1.Run) types.NamespacedName {
		if run.Spec.Parent == nil {
			return types.NamespacedName{}
		}
		return types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Parent.Run}
	}
	for i := range runs {
		if p := parent(&runs[i]); there[p] {
			children[p] = append(children[p], &runs[i])
		}
	}
	var gather func(*v1alpha1.Run) []*v1alpha1.Run
	gather = func(run *v1alpha1.Run) (family []*v1alpha1.Run) {
		for _, child := range children[key(run)] {
			family = append(family, gather(child)...)
		}
		return append(family, run)
	}
	for i := range runs {
		if !there[parent(&runs[i])] {
			out = append(out, gather(&runs[i]))
		}
	}
	return out
}

// archiveFamily writes all of its runs to the archive, marks each in etcd, then deletes
// them, as long as nobody changed them meanwhile. Where one has to stay, all do.
func (c *Controller) archiveFamily(ctx context.Context, family []*v1alpha1.Run, stay map[types.NamespacedName]bool, repos repositories) error {
	for _, run := range family {
		if run.Annotations[v1alpha1.AnnotationArchived] == returning {
			return ignoreMoved(c.bring(ctx, run))
		}
		if stay[key(run)] || !run.DeletionTimestamp.IsZero() {
			return c.keepFamily(ctx, family)
		}
	}
	copies := make([]*v1alpha1.Run, len(family))
	for i, run := range family {
		copies[i] = archivedCopy(run, repos[repositoryKey(run)])
	}
	if err := c.Archive.Put(copies...); err != nil {
		return err
	}
	for _, run := range family {
		if err := c.mark(ctx, run, leaving); err != nil {
			return ignoreMoved(err)
		}
	}
	for _, run := range family {
		if err := c.Client.Delete(ctx, run, client.Preconditions{UID: &run.UID, ResourceVersion: &run.ResourceVersion}); err != nil {
			return ignoreMoved(err)
		}
		c.Log.Info("run archived", "namespace", run.Namespace, "run", run.Name)
	}
	return nil
}

// archivedCopy of a run: without what only etcd needs, and owned by its repository, whose
// UID tells it from a later one of the same name.
func archivedCopy(run *v1alpha1.Run, repo *v1alpha1.Repository) *v1alpha1.Run {
	out := run.DeepCopy()
	out.ManagedFields, out.Finalizers, out.ResourceVersion = nil, nil, ""
	delete(out.Annotations, v1alpha1.AnnotationArchived)
	out.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(repo, v1alpha1.GroupVersion.WithKind("Repository"))}
	return out
}

// keepFamily takes back the marks of an archiving that a change overtook.
func (c *Controller) keepFamily(ctx context.Context, family []*v1alpha1.Run) error {
	for _, run := range family {
		if run.DeletionTimestamp.IsZero() && run.Annotations[v1alpha1.AnnotationArchived] == leaving {
			if err := c.mark(ctx, run, ""); err != nil {
				return ignoreMoved(err)
			}
		}
	}
	return nil
}

// mark a run with where it is going; "" takes the mark away.
func (c *Controller) mark(ctx context.Context, run *v1alpha1.Run, value string) error {
	before := run.DeepCopy()
	if value == "" {
		delete(run.Annotations, v1alpha1.AnnotationArchived)
	} else {
		if run.Annotations == nil {
			run.Annotations = map[string]string{}
		}
		run.Annotations[v1alpha1.AnnotationArchived] = value
	}
	return c.Patch(ctx, run, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// repositories of runs; one that is gone has no name.
type repositories map[types.NamespacedName]*v1alpha1.Repository

func repositoryKey(run *v1alpha1.Run) types.NamespacedName {
	return types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository}
}

func (c *Controller) repositoriesOf(ctx context.Context, runs []v1alpha1.Run) (repositories, error) {
	repos := repositories{}
	for i := range runs {
		name := repositoryKey(&runs[i])
		if repos[name] != nil {
			continue
		}
		repos[name] = &v1alpha1.Repository{}
		if err := c.Get(ctx, name, repos[name]); client.IgnoreNotFound(err) != nil {
			return nil, err
		}
	}
	return repos, nil
}

// stay says which runs may not leave etcd yet: those that are not over or were not long
// ago, that are needed there, or of which something is still to be noted.
func (c *Controller) stay(ctx context.Context, runs []v1alpha1.Run, at time.Time) (map[types.NamespacedName]bool, repositories, error) {
	stay, err := c.inUse(ctx)
	if err != nil {
		return nil, nil, err
	}
	repos, err := c.repositoriesOf(ctx, runs)
	if err != nil {
		return nil, nil, err
	}
	after := c.Settings.ArchiveAfter
	if after <= 0 {
		after = defaultArchiveAfter
	}
	for i := range runs {
		run, repo := &runs[i], repos[repositoryKey(&runs[i])]
		ended := run.Status.FinishedAt
		if !run.Status.Phase.Finished() || ended == nil || at.Sub(ended.Time) < after || repo.Name == "" || run.Status.Handled < len(run.Spec.Actions) ||
			repo.Spec.Forge != nil && run.Spec.Parent == nil && run.Status.Reported == nil && at.Sub(ended.Time) < reportPatience {
			stay[key(run)] = true
		}
	}
	// Of each ref: what it is known by, what keeps its artifacts, and what its badge shows.
	ofRef := func(run *v1alpha1.Run) bool { return run.Spec.Parent == nil && run.Spec.Target == "" }
	for _, which := range []func(*v1alpha1.Run) bool{
		ofRef,
		keepsArtifacts,
		func(run *v1alpha1.Run) bool { return ofRef(run) && run.Status.Coverage != "" },
	} {
		for _, run := range newestByRef(runs, repos, which) {
			stay[key(run)] = true
		}
	}
	return stay, repos, nil
}

// inUse are the runs of TaskRuns that are not over or whose log is not complete, and those
// that environments would be stopped by.
func (c *Controller) inUse(ctx context.Context) (map[types.NamespacedName]bool, error) {
	out := map[types.NamespacedName]bool{}
	tasks := &tekton.TaskRunList{}
	if err := c.List(ctx, tasks, client.HasLabels{v1alpha1.LabelRun}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	for i := range tasks.Items {
		tr := &tasks.Items[i]
		if a, ok := attemptOf(tr); !ok || !tr.IsDone() || !c.LogStore.Sealed(a) {
			out[types.NamespacedName{Namespace: tr.Namespace, Name: tr.Labels[v1alpha1.LabelRun]}] = true
		}
	}
	environments := &v1alpha1.EnvironmentList{}
	if err := c.List(ctx, environments, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	for i := range environments.Items {
		if env := &environments.Items[i]; env.Status.OnStop != "" && env.Status.State != "stopped" {
			out[types.NamespacedName{Namespace: env.Namespace, Name: env.Status.Run}] = true
		}
	}
	return out, nil
}

// newestByRef are, for each ref that is still there, the newest of those runs of it that
// count.
func newestByRef(runs []v1alpha1.Run, repos repositories, counts func(*v1alpha1.Run) bool) map[string]*v1alpha1.Run {
	out := map[string]*v1alpha1.Run{}
	for i := range runs {
		run := &runs[i]
		if _, there := repos[repositoryKey(run)].Status.Refs[run.Spec.Ref]; !there || !counts(run) {
			continue
		}
		ref := run.Namespace + "/" + run.Spec.Repository + "/" + run.Spec.Ref
		if have := out[ref]; have == nil || later(run, have) {
			out[ref] = run
		}
	}
	return out
}
