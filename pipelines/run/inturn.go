package run

import (
	"context"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/refs"
	"slipway.dev/pipelines/plan"
)

// decideInTurn decides while no other run does, and writes the decision down. What
// the run takes counts from then on, before it is written; if it cannot be written,
// it is as before.
func (c *Controller) decideInTurn(ctx context.Context, run, before *v1alpha1.Run, p *plan.Plan) (time.Time, error) {
	repo := &v1alpha1.Repository{}
	err := c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Repository}, repo)
	if client.IgnoreNotFound(err) != nil {
		return time.Time{}, err
	}
	c.turns.mu.Lock()
	err = c.turns.fill(func() ([]v1alpha1.Run, error) {
		list := &v1alpha1.RunList{}
		return list.Items, c.List(ctx, list, client.UnsafeDisableDeepCopy)
	})
	if err != nil {
		c.turns.mu.Unlock()
		return time.Time{}, err
	}
	old := c.turns.runs[key(run)]
	me := claimOf(run)
	if me == nil {
		me = &claim{key: key(run), repo: client.ObjectKeyFromObject(repo)}
	}
	if old != nil && old.holds {
		me.holds = true // its place is free when the decision says so
	}
	c.turns.runs[me.key] = me
	t := &turn{turns: &c.turns, run: run, me: me, place: me.holds || !me.counted, groups: map[string]bool{},
		repoRuns: repo.Spec.MaxRuns, allRuns: c.Settings.MaxRuns, allJobs: c.Settings.MaxJobs, modes: repo.Spec.ResourceGroups}
	wake := decide(run, p, time.Now(), overtaken(run, repo, p), t.grant)
	if old == nil {
		delete(c.turns.runs, me.key)
	} else {
		c.turns.runs[me.key] = old
	}
	c.turns.put(me.key, claimOf(run))
	c.turns.mu.Unlock()
	if err := c.forgetFiles(ctx, before, run, p); err != nil {
		return time.Time{}, err
	}
	if err := c.save(ctx, before, run); err != nil {
		if apierrors.IsConflict(err) {
			// Surely not written; of any other error the next look decides.
			c.turns.mu.Lock()
			c.turns.put(key(run), old)
			c.turns.mu.Unlock()
		}
		return time.Time{}, err
	}
	return wake, nil
}

// overtaken says why the run is not needed any more; empty: it is.
func overtaken(run *v1alpha1.Run, repo *v1alpha1.Repository, p *plan.Plan) string {
	over := run.Status.Phase.Finished() && run.Status.Phase != v1alpha1.Canceled
	if why, m := outlived(run, repo); why != "" && !over && !askedSince(run, m) && !stops(run, p) {
		return why
	}
	if by := supersededBy(run, repo); by != "" {
		return supersededPrefix + by
	}
	return ""
}

// supersededBy names the run of a newer push to the same branch, unless that has none or
// somebody has asked for something of this one since.
func supersededBy(run *v1alpha1.Run, repo *v1alpha1.Repository) string {
	newest, ok := repo.Status.Refs[run.Spec.Ref]
	if !ok || !ofPush(run) || newest.Sequence <= run.Spec.Sequence || newest.NoRun != "" || !strings.HasPrefix(run.Spec.Ref, "refs/heads/") || !refs.Watched(&repo.Spec, run.Spec.Ref) {
		return ""
	}
	for i := range run.Spec.Actions {
		if a := &run.Spec.Actions[i]; a.Verb != verbCancel && a.At.Time.After(newest.Seen.Time) {
			return ""
		}
	}
	return Name(repo.Name, newest.Sequence)
}

// ofPush says whether a push caused the run, or the one that it is a child of.
func ofPush(run *v1alpha1.Run) bool {
	if run.Spec.Cause != v1alpha1.RunCauseChild {
		return run.Spec.Cause == "push"
	}
	first := ancestor(run)
	return first != nil && first.Cause == "push"
}

// affected are the unfinished runs of a repository that changed: a newer push, or the end
// of a merge request, may end them, new limits may let them start.
func (c *Controller) affected(_ context.Context, repo client.Object) []reconcile.Request {
	c.turns.mu.Lock()
	defer c.turns.mu.Unlock()
	var out []reconcile.Request
	for k, r := range c.turns.runs {
		if r.repo == client.ObjectKeyFromObject(repo) {
			out = append(out, reconcile.Request{NamespacedName: k})
		}
	}
	for _, k := range c.waiting.of(client.ObjectKeyFromObject(repo)) {
		out = append(out, reconcile.Request{NamespacedName: k})
	}
	return out
}
