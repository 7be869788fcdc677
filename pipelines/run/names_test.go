package run

import (
	"strings"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// TestNamesOfTwoRunsDiffer tries all runs and jobs whose names could be one another's.
func TestNamesOfTwoRunsDiffer(t *testing.T) {
	words := []string{"x", "1", "r1", "c1", "shop"}
	var ids []string
	for _, a := range words {
		ids = append(ids, a)
		for _, b := range words {
			ids = append(ids, a+"-"+b)
			for _, c := range words {
				ids = append(ids, a+"-"+b+"-"+c)
			}
		}
	}
	// A run is of a push, a second start of that, a schedule or a job; a repository may
	// have any of it in its name.
	runs := map[string]bool{}
	for _, repo := range append([]string{"shop--y", "shop--y--1"}, ids...) {
		for _, end := range []string{"-1", "-2", "-1-r1", "-1-r2", "-1-r1-c1"} {
			runs[repo+end] = true
		}
		for _, id := range ids[:6] {
			runs[childName(repo+"-1", id, 1)] = true
		}
	}
	of := map[string]string{}
	for run := range runs {
		for _, id := range ids {
			name, pair := attemptName(run, id, 1), run+" "+id
			if other, ok := of[name]; ok {
				t.Fatalf("%s is the name for %q and %q", name, other, pair)
			}
			of[name] = pair
		}
	}
	for pair, want := range map[[2]string]string{
		{"shop-1", "build"}: "shop-1-build-1", {"shop-1", "build-arm64"}: "shop-1-build-arm64-1", {"shop-1-r1", "x"}: "shop-1-r1-x-1",
		{"shop-1", "r1-x"}: "shop-1--r1-x-1", {"shop-1", "test-1-3"}: "shop-1--test-1-3-1", {"my--shop-1", "x"}: "my--shop-1--x-1",
	} {
		if got := attemptName(pair[0], pair[1], 1); got != want {
			t.Errorf("%v: %s, want %s", pair, got, want)
		}
	}
}

// TestTaskRunOfSomebodyElse has the name of an attempt: nothing of it is believed, and
// nothing happens to it.
func TestTaskRunOfSomebodyElse(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	other := &tekton.TaskRun{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-1-a-1", Labels: map[string]string{v1alpha1.LabelRun: "other"}}}
	if err := w.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.push()
	run := w.settle("shop-1")
	if js := jobStatus(run, "a"); js.Phase != v1alpha1.Failed || !strings.Contains(js.Message, "give the job another name") || js.TaskRun != "" {
		t.Errorf("%+v", js)
	}
	if got := w.taskRuns(); len(got) != 1 {
		t.Errorf("task runs %q", got)
	}
	if !w.LogStore.Sealed(attemptLog("a", 1)) {
		t.Error("the log of the attempt is open")
	}
}
