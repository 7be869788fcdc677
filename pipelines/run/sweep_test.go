package run

import (
	"slices"
	"testing"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/joblog"
	"slipway.dev/pipelines/plan"
)

// complete notes when the TaskRun ended, which the fake Tekton leaves out.
func (w *world) complete(name string, at time.Time) {
	w.t.Helper()
	tr := &tekton.TaskRun{}
	if err := w.Get(w.t.Context(), types.NamespacedName{Namespace: "default", Name: name}, tr); err != nil {
		w.t.Fatal(err)
	}
	done := metav1.NewTime(at)
	tr.Status.CompletionTime = &done
	if err := w.Status().Update(w.t.Context(), tr); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) sweepAt(at time.Time) []string {
	w.t.Helper()
	if err := w.sweep(w.t.Context(), at); err != nil {
		w.t.Fatal(err)
	}
	return w.taskRuns()
}

func TestSweepLeavesWhatIsNeeded(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"}, plan.Job{Name: "b"})
	w.push()
	w.settle("shop-1")
	both := []string{"shop-1-a-1", "shop-1-b-1"}
	ended := time.Now()
	w.end("shop-1-a-1", true, 0, "Succeeded")
	w.complete("shop-1-a-1", ended)
	late := ended.Add(keepTaskRuns + time.Second)

	if err := w.LogStore.Seal(attemptLog("a", 1), ""); err != nil {
		t.Fatal(err)
	}
	if got := w.sweepAt(late); !slices.Equal(got, both) {
		t.Fatalf("the run has not noted the end of a yet, and left are %v", got)
	}
	w.settle("shop-1")
	if got := w.sweepAt(ended.Add(keepTaskRuns - 5*time.Second)); !slices.Equal(got, both) {
		t.Fatalf("before its time left are %v", got)
	}
	if got := w.sweepAt(late); !slices.Equal(got, both[1:]) {
		t.Fatalf("a ended long ago and b runs, and left are %v", got)
	}
	run := w.settle("shop-1")
	if js := jobStatus(run, "a"); js.Phase != v1alpha1.Succeeded {
		t.Fatalf("without its TaskRun the job is %s: %s", js.Phase, js.Message)
	}
	if got := w.taskRuns(); !slices.Equal(got, both[1:]) {
		t.Fatalf("a is started again: %v", got)
	}
}

func TestSweepWaitsForTheLog(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.Logs = following{}
	w.push()
	w.settle("shop-1")
	w.end("shop-1-a-1", false, 1, "Failed")
	w.complete("shop-1-a-1", time.Now())
	w.settle("shop-1")
	late := time.Now().Add(2 * keepTaskRuns)
	if got := w.sweepAt(late); len(got) != 1 {
		t.Fatal("the TaskRun is gone before its log is complete")
	}
	if err := w.LogStore.Seal(attemptLog("a", 1), ""); err != nil {
		t.Fatal(err)
	}
	if got := w.sweepAt(late); len(got) != 0 {
		t.Fatalf("left are %v", got)
	}
}

// following is a collector that has not reached the end of any log.
type following struct{ noLogs }

func (following) Following(joblog.Attempt) bool { return true }
