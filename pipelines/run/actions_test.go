package run

import (
	"strings"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// act asks for "verb job" and returns the run as it settles.
func (w *world) act(asks ...string) *v1alpha1.Run {
	w.t.Helper()
	for _, ask := range asks {
		if err := w.try(ask); err != nil {
			w.t.Fatalf("%s: %v", ask, err)
		}
	}
	return w.settle("shop-1")
}

func (w *world) try(ask string) error {
	verb, job, _ := strings.Cut(ask, " ")
	return w.Act(w.t.Context(), "default", "shop-1", v1alpha1.RunAction{Verb: verb, Job: job, By: "ann"})
}

// phases as "a=Succeeded/2 b=Pending".
func phases(run *v1alpha1.Run) string {
	var out []string
	for _, j := range run.Status.Jobs {
		s := j.Name + "=" + string(j.Phase)
		if j.Attempt > 1 {
			s += "/" + string(rune('0'+j.Attempt))
		}
		out = append(out, s)
	}
	return strings.Join(out, " ") + " " + string(run.Status.Phase)
}

func (w *world) want(run *v1alpha1.Run, want string) {
	w.t.Helper()
	if got := phases(run); got != want {
		w.t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestRetryOfAJobTakesBackWhatWasSkippedForIt(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"}, plan.Job{Name: "b", Needs: needs("a")}, plan.Job{Name: "c", Needs: needs("b")})
	w.push()
	w.settle("shop-1")
	w.end("shop-1-a-1", true, 0, "Succeeded")
	w.settle("shop-1")
	w.end("shop-1-b-1", false, 3, "Failed")
	w.want(w.settle("shop-1"), "a=Succeeded b=Failed c=Skipped Failed")
	if err := w.try("retry c"); err == nil || !strings.Contains(err.Error(), "it was skipped") {
		t.Errorf("retry of a skipped job: %v", err)
	}
	run := w.act("retry b")
	w.want(run, "a=Succeeded b=Running/2 c=Pending Running")
	b := run.Status.Jobs[1]
	if len(b.Attempts) != 1 || b.Attempts[0].Phase != v1alpha1.Failed || *b.Attempts[0].ExitCode != 3 || b.Attempts[0].FinishedAt == nil || b.By != "ann" {
		t.Errorf("b %+v", b)
	}
	if run.Status.FinishedAt != nil || run.Status.Handled != 1 {
		t.Errorf("status %+v", run.Status)
	}
	w.end("shop-1-b-2", true, 0, "Succeeded")
	w.settle("shop-1")
	w.end("shop-1-c-1", true, 0, "Succeeded")
	w.want(w.settle("shop-1"), "a=Succeeded b=Succeeded/2 c=Succeeded Succeeded")
}

func TestRerunFromKeepsWhatIsBefore(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"}, plan.Job{Name: "b", Needs: needs("a")}, plan.Job{Name: "m", When: plan.Manual, Needs: needs("b")})
	w.push()
	w.settle("shop-1")
	w.end("shop-1-a-1", true, 0, "Succeeded")
	w.settle("shop-1")
	w.end("shop-1-b-1", true, 0, "Succeeded")
	w.want(w.settle("shop-1"), "a=Succeeded b=Succeeded m=Pending Running")
	w.act("play m")
	w.end("shop-1-m-1", true, 0, "Succeeded")
	w.want(w.settle("shop-1"), "a=Succeeded b=Succeeded m=Succeeded Succeeded")
	run := w.act("from b")
	w.want(run, "a=Succeeded b=Running/2 m=Pending Running")
	if m := run.Status.Jobs[2]; m.By != "" || len(m.Attempts) != 1 {
		t.Errorf("the manual job behind does not wait for a person again: %+v", m)
	}
	w.end("shop-1-b-2", true, 0, "Succeeded")
	w.want(w.settle("shop-1"), "a=Succeeded b=Succeeded/2 m=Pending Running")
}

func TestRerunWhatFailedAlsoAfterCancel(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"}, plan.Job{Name: "b"}, plan.Job{Name: "c", Needs: needs("a", "b")})
	w.push()
	w.settle("shop-1")
	w.end("shop-1-a-1", true, 0, "Succeeded")
	if err := w.Cancel(t.Context(), "default", "shop-1", "bob"); err != nil {
		t.Fatal(err)
	}
	w.settle("shop-1")
	if err := w.try("retry b"); err == nil || !strings.Contains(err.Error(), "being canceled") {
		t.Errorf("err %v", err)
	}
	w.end("shop-1-b-1", false, 143, "TaskRunCancelled")
	run := w.settle("shop-1")
	w.want(run, "a=Succeeded b=Canceled c=Canceled Canceled")
	if got := run.Status.Jobs[1].Message; got != "canceled by bob" {
		t.Errorf("message %q", got)
	}
	w.want(w.act("retry"), "a=Succeeded b=Running/2 c=Pending Running")
	w.end("shop-1-b-2", true, 0, "Succeeded")
	w.want(w.settle("shop-1"), "a=Succeeded b=Succeeded/2 c=Running Running")
}

func TestCancelOfOneJob(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", Script: plan.Script{After: []string{"clean"}}}, plan.Job{Name: "b"}, plan.Job{Name: "c", When: plan.Manual})
	w.push()
	w.settle("shop-1")
	tr := &tekton.TaskRun{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1-a-1"}, tr); err != nil {
		t.Fatal(err)
	}
	tr.Status.PodName = "shop-1-a-1-pod"
	if err := w.Status().Update(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: tr.Status.PodName, Finalizers: []string{"test/stay"}}}
	if err := w.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	w.want(w.act("cancel a", "cancel c"), "a=Running b=Running c=Canceled Running")
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: pod.Name}, pod); err != nil || pod.DeletionTimestamp == nil {
		t.Fatalf("the pod was not asked to stop: %v", err)
	}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: tr.Name}, tr); err != nil || !tr.IsCancelled() {
		t.Fatalf("the task run was not: %q %v", tr.Spec.Status, err)
	}
	// Tekton says at once that it is over, but after_script runs until the log is complete.
	tr.Status.MarkResourceFailed(tekton.TaskRunReasonCancelled, errSaid)
	if err := w.Status().Update(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	w.want(w.settle("shop-1"), "a=Running b=Running c=Canceled Running")
	if err := w.LogStore.Seal(attemptLog("a", 1), "after"); err != nil {
		t.Fatal(err)
	}
	w.want(w.settle("shop-1"), "a=Canceled b=Running c=Canceled Running")
	if err := w.try("cancel a"); err == nil {
		t.Error("a job that is over was canceled")
	}
}

func TestUnplayAndApprove(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"}, plan.Job{Name: "ship", When: plan.Manual, Confirmation: "Ship it?", Needs: needs("a")})
	w.push()
	w.want(w.settle("shop-1"), "a=Running ship=Pending Running")
	// Before its turn, a play can be taken back.
	run := w.act("play ship", "unplay ship")
	if js := run.Status.Jobs[1]; js.By != "" {
		t.Errorf("ship %+v", js)
	}
	w.act("play ship")
	w.end("shop-1-a-1", true, 0, "Succeeded")
	run = w.settle("shop-1")
	w.want(run, "a=Succeeded ship=Pending Running")
	if got := run.Status.Jobs[1].Message; !strings.Contains(got, "Ship it?") {
		t.Errorf("message %q", got)
	}
	run = w.act("approve ship")
	w.want(run, "a=Succeeded ship=Running Running")
	if js := run.Status.Jobs[1]; js.ApprovedBy != "ann" || js.ApprovedAt == nil {
		t.Errorf("ship %+v", js)
	}
	for _, ask := range []string{"approve ship", "play ship", "unplay ship", "play a", "approve a", "play nope"} {
		if err := w.try(ask); err == nil {
			t.Errorf("%s: done", ask)
		}
	}
}

// TestActionsTakeEffectOnce fails each write in turn, as kill -9 would, and finds the
// same end.
func TestActionsTakeEffectOnce(t *testing.T) {
	for fail := range 12 {
		w := newWorld(t, plan.Job{Name: "a"}, plan.Job{Name: "b", Needs: needs("a")})
		w.push()
		w.settle("shop-1")
		w.end("shop-1-a-1", false, 1, "Failed")
		w.settle("shop-1")
		if err := w.try("retry a"); err != nil {
			t.Fatal(err)
		}
		w.crashAt(fail)
		run := w.settle("shop-1")
		if got := phases(run); got != "a=Running/2 b=Pending Running" || len(run.Status.Jobs[0].Attempts) != 1 {
			t.Fatalf("crash at write %d: %s %+v", fail, got, run.Status.Jobs[0])
		}
		if got := strings.Join(w.taskRuns(), " "); got != "shop-1-a-1 shop-1-a-2" {
			t.Fatalf("crash at write %d: task runs %s", fail, got)
		}
	}
}
