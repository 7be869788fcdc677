package run

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// TestBeforeIsAPushes: what a ref was before its last update says nothing of a run that
// somebody starts, or a schedule.
func TestBeforeIsAPushes(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.push()
	if got := w.settle("shop-1").Spec.Before; got != strings.Repeat("9", 40) {
		t.Errorf("push: %q", got)
	}
	for cause, r := range map[string]StartRequest{"web": {}, "api": {Cause: "api"}} {
		r.Repository = "shop"
		if run, err := w.Start(t.Context(), "default", r); err != nil || run.Spec.Before != "" {
			t.Errorf("%s: %q, %v", cause, run.Spec.Before, err)
		}
	}
	repo := &v1alpha1.Repository{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop"}, repo); err != nil {
		t.Fatal(err)
	}
	if run, err := ForRef(repo, "main"); err != nil || run.Spec.Before != "" {
		t.Errorf("schedule: %q, %v", run.Spec.Before, err)
	}
}
