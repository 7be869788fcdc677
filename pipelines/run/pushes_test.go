package run

import (
	"maps"
	"slices"
	"testing"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Updates that are filtered, or said to start no run, start none, and none again later.
func TestPushesWithoutRuns(t *testing.T) {
	w := newWorld(t)
	repo := &v1alpha1.Repository{}
	if err := w.Get(t.Context(), repoKey, repo); err != nil {
		t.Fatal(err)
	}
	repo.Spec.ExcludeTags = []string{"old-*"}
	if err := w.Update(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	commit := repo.Status.Refs["refs/heads/main"].Commit
	repo.Status.Sequence = 5
	repo.Status.Refs["refs/heads/quiet"] = v1alpha1.RefStatus{Commit: commit, Sequence: 2, PushNote: v1alpha1.PushNote{NoRun: "the push says ci.skip"}}
	repo.Status.Refs["refs/tags/old-1"] = v1alpha1.RefStatus{Commit: commit, Sequence: 3}
	repo.Status.Refs["refs/tags/v1"] = v1alpha1.RefStatus{Commit: commit, Sequence: 4}
	repo.Status.Refs["refs/heads/given"] = v1alpha1.RefStatus{Commit: commit, Sequence: 5, PushNote: v1alpha1.PushNote{Variables: map[string]string{"A": "1"}}}
	if err := w.Status().Update(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.pushes.Reconcile(t.Context(), ctrl.Request{NamespacedName: repoKey}); err != nil {
			t.Fatal(err)
		}
		var runs v1alpha1.RunList
		if err := w.List(t.Context(), &runs, client.InNamespace("default")); err != nil {
			t.Fatal(err)
		}
		got := map[string]v1alpha1.Run{}
		for _, r := range runs.Items {
			got[r.Name] = r
		}
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"shop-1", "shop-4", "shop-5"}) {
			t.Fatalf("runs %v", names)
		}
		if v := got["shop-5"].Spec.Variables; v["A"] != "1" {
			t.Fatalf("variables %v", v)
		}
	}
}
