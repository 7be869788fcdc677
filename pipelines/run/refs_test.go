package run

import (
	"slices"
	"strings"
	"testing"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// refs sets the refs of the repository, and looks at it.
func (w *world) refs(refs map[string]v1alpha1.RefStatus) {
	w.t.Helper()
	repo := &v1alpha1.Repository{}
	if err := w.Get(w.t.Context(), repoKey, repo); err != nil {
		w.t.Fatal(err)
	}
	repo.Status.Refs = refs
	for _, r := range refs {
		repo.Status.Sequence = max(repo.Status.Sequence, r.Sequence)
	}
	if err := w.Status().Update(w.t.Context(), repo); err != nil {
		w.t.Fatal(err)
	}
	w.push()
}

// TestWhatBecomesOfRuns of a branch or tag that was forced, deleted, renamed or moved, as
// docs/webhooks.md has it.
func TestWhatBecomesOfRuns(t *testing.T) {
	a, b := strings.Repeat("a", 40), strings.Repeat("b", 40)
	main := func(c string, n int64) v1alpha1.RefStatus { return v1alpha1.RefStatus{Commit: c, Sequence: n} }
	for _, c := range []struct {
		name  string
		refs  map[string]v1alpha1.RefStatus
		runs  []string
		first v1alpha1.Phase // of the run that was there
		ref   string         // of the new run
	}{
		{"forced to an older commit", map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: b, Before: a, Sequence: 2}}, []string{"shop-1", "shop-2"}, v1alpha1.Canceled, "refs/heads/main"},
		{"deleted", map[string]v1alpha1.RefStatus{"refs/heads/other": main(a, 0)}, []string{"shop-1"}, v1alpha1.Running, ""},
		{"renamed", map[string]v1alpha1.RefStatus{"refs/heads/new": main(a, 3)}, []string{"shop-1", "shop-3"}, v1alpha1.Running, "refs/heads/new"},
		{"a tag moved", map[string]v1alpha1.RefStatus{"refs/heads/main": main(a, 1), "refs/tags/v1": {Commit: a, Before: b, Sequence: 2}}, []string{"shop-1", "shop-2"}, v1alpha1.Running, "refs/tags/v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, plan.Job{Name: "a", Interruptible: true})
			w.push()
			w.settle("shop-1")
			w.refs(c.refs)
			names := w.runNames()
			slices.Sort(names)
			if !slices.Equal(names, c.runs) {
				t.Fatalf("runs %v", names)
			}
			w.settle("shop-1")
			if c.first == v1alpha1.Canceled {
				w.end("shop-1-a-1", false, 143, "TaskRunCancelled")
			}
			if run := w.settle("shop-1"); run.Status.Phase != c.first {
				t.Errorf("the run that was there is %s %s", run.Status.Phase, run.Status.Message)
			}
			if c.ref == "" {
				return
			}
			if run, err := w.run(t.Context(), "default", c.runs[1]); err != nil || run.Spec.Ref != c.ref || run.Spec.Cause != "push" {
				t.Errorf("%+v %v", run.Spec, err)
			}
		})
	}
}

// TestEndOfMergeRequestLeavesItsStopJob: what it deployed is stopped by a job of its run.
func TestEndOfMergeRequestLeavesItsStopJob(t *testing.T) {
	for _, deployed := range []bool{true, false} {
		w := newWorld(t,
			plan.Job{Name: "deploy", Interruptible: true, Environment: &plan.Environment{Name: "review", OnStop: "stop"}},
			plan.Job{Name: "stop", When: plan.Manual, Interruptible: true, Environment: &plan.Environment{Name: "review", Action: "stop"}},
			plan.Job{Name: "slow", Interruptible: true})
		w.requests(request())
		w.settle("shop-2")
		if deployed {
			w.end("shop-2-deploy-1", true, 0, "Succeeded")
			if err := w.LogStore.Seal(attemptLogOf("shop-2", "deploy"), ""); err != nil {
				t.Fatal(err)
			}
		}
		w.settle("shop-2")
		w.requests(request(closed))
		run := w.settle("shop-2")
		stop := jobStatus(run, "stop")
		if deployed != (stop.Phase == v1alpha1.Pending) {
			t.Errorf("deployed %v: the stop job is %s, the deployment %s", deployed, stop.Phase, jobStatus(run, "deploy").Phase)
		}
	}
}
