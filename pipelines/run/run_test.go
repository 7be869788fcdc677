package run

import (
	"fmt"
	"io"
	"strings"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"knative.dev/pkg/apis"
	duckv1 "knative.dev/pkg/apis/duck/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/plan"
)

func TestPushRunsJobsInOrderToTheEnd(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "build", Build: &plan.Build{Image: "shop"}}, plan.Job{Name: "test", Needs: needs("build")})
	w.push()
	run := w.settle("shop-1")
	if got := w.taskRuns(); len(got) != 1 || got[0] != "shop-1-build-1" || run.Status.Phase != v1alpha1.Running {
		t.Fatalf("task runs %v, phase %s", got, run.Status.Phase)
	}
	ref := jobapi.Ref{Namespace: "default", Run: "shop-1", Job: "build", Attempt: 1}
	image := v1alpha1.Image{Name: "registry.slipway.internal/default/shop", Digest: "sha256:1"}
	for range 2 {
		if err := w.Pushed(t.Context(), ref, image); err != nil {
			t.Fatal(err)
		}
	}
	w.end("shop-1-build-1", true, 0, "Succeeded")
	run = w.settle("shop-1")
	if got := w.taskRuns(); len(got) != 2 || len(run.Status.Jobs[0].Images) != 1 {
		t.Fatalf("task runs %v, images %v", got, run.Status.Jobs[0].Images)
	}
	w.end("shop-1-test-1", true, 0, "Succeeded")
	if run = w.settle("shop-1"); run.Status.Phase != v1alpha1.Succeeded || run.Status.FinishedAt == nil {
		t.Fatalf("status %+v", run.Status)
	}
	// The tokens are gone with the run's end.
	secrets := &corev1.SecretList{}
	if err := w.List(t.Context(), secrets); err != nil || len(secrets.Items) != 0 {
		t.Errorf("secrets %d, err %v", len(secrets.Items), err)
	}
	if _, err := w.Job(t.Context(), ref); err != jobapi.ErrGone {
		t.Errorf("an ended attempt still gets its job: %v", err)
	}
}

func TestFailureIsRetriedThenFailsTheRunWithItsReason(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", Retry: plan.Retry{Max: 1}}, plan.Job{Name: "b", Needs: needs("a")})
	w.push()
	w.settle("shop-1")
	w.end("shop-1-a-1", false, 3, "Failed")
	w.settle("shop-1")
	if got := w.taskRuns(); len(got) != 2 {
		t.Fatalf("task runs %v", got)
	}
	if err := w.Reported(t.Context(), jobapi.Ref{Namespace: "default", Run: "shop-1", Job: "a", Attempt: 2}, wire.Report{Message: "no shell"}); err != nil {
		t.Fatal(err)
	}
	w.end("shop-1-a-2", false, 3, "Failed")
	run := w.settle("shop-1")
	a, b := run.Status.Jobs[0], run.Status.Jobs[1]
	if run.Status.Phase != v1alpha1.Failed || a.Message != "no shell" || *a.ExitCode != 3 || a.Attempt != 2 || b.Phase != v1alpha1.Skipped {
		t.Fatalf("status %+v", run.Status)
	}
}

func TestBadPipelineFileFailsTheRunVisibly(t *testing.T) {
	w := newWorld(t)
	w.compiler.Compiled = Compiled{Problems: []v1alpha1.Problem{{File: ".gitlab-ci.yml", Line: 3, Column: 5, Message: "unknown key \"scirpt\""}}}
	w.push()
	run := w.settle("shop-1")
	if run.Status.Phase != v1alpha1.Failed || len(run.Status.Problems) != 1 || len(w.taskRuns()) != 0 {
		t.Fatalf("status %+v", run.Status)
	}
	if want := `.gitlab-ci.yml:3:5: unknown key "scirpt"`; run.Status.Message != want {
		t.Errorf("message %q, want %q", run.Status.Message, want)
	}
}

func TestCancelStopsWhatRunsAndStartsNothing(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"}, plan.Job{Name: "b", Needs: needs("a")})
	w.push()
	w.settle("shop-1")
	if err := w.Cancel(t.Context(), "default", "shop-1", "ann"); err != nil {
		t.Fatal(err)
	}
	w.settle("shop-1")
	tr := &tekton.TaskRun{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1-a-1"}, tr); err != nil || !tr.IsCancelled() {
		t.Fatalf("spec.status %q, err %v", tr.Spec.Status, err)
	}
	w.end("shop-1-a-1", false, 143, "TaskRunCancelled")
	if run := w.settle("shop-1"); run.Status.Phase != v1alpha1.Canceled || run.Status.Jobs[1].Phase != v1alpha1.Canceled {
		t.Fatalf("status %+v", run.Status)
	}
}

// A job that is stopped says why, whatever its pod and Tekton say on the way.
func TestStoppedJobSaysWhy(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "bad"}, plan.Job{Name: "long"})
	w.compiler.Plan.AutoCancel.OnJobFailure = "all"
	w.push()
	w.settle("shop-1")
	w.end("shop-1-bad-1", false, 1, "Failed")
	w.settle("shop-1")
	tr := &tekton.TaskRun{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1-long-1"}, tr); err != nil || !tr.IsCancelled() {
		t.Fatalf("spec.status %q, err %v", tr.Spec.Status, err)
	}
	tr.Status.Conditions = duckv1.Conditions{{Type: apis.ConditionSucceeded, Status: corev1.ConditionUnknown, Reason: "Pending", Message: "Pending"}}
	if err := w.Status().Update(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	w.settle("shop-1")
	if err := w.Reported(t.Context(), jobapi.Ref{Namespace: "default", Run: "shop-1", Job: "long", Attempt: 1}, wire.Report{ExitCode: 143, Message: "the job was stopped"}); err != nil {
		t.Fatal(err)
	}
	if err := w.LogStore.Seal(attemptLog("long", 1), ""); err != nil {
		t.Fatal(err)
	}
	w.end("shop-1-long-1", false, 143, "TaskRunCancelled")
	run := w.settle("shop-1")
	if long := run.Status.Jobs[1]; long.Phase != v1alpha1.Canceled || long.Message != "canceled because another job failed" {
		t.Errorf("%+v", long)
	}
}

func TestSourceOf(t *testing.T) {
	for cause, want := range map[string]string{"push": "push", "manual": "web", "api": "api", "schedule": "schedule", "trigger": "trigger",
		causeMergeRequest: "merge_request_event", v1alpha1.RunCauseChild: "parent_pipeline", v1alpha1.RunCausePipeline: "pipeline"} {
		if got := sourceOf(&v1alpha1.Run{Spec: v1alpha1.RunSpec{Cause: cause}}); got != want {
			t.Errorf("%s is %s, want %s", cause, got, want)
		}
		again := v1alpha1.RunSpec{Cause: "rerun", RerunOf: &v1alpha1.Rerun{Cause: cause}}
		if got := sourceOf(&v1alpha1.Run{Spec: again}); got != want {
			t.Errorf("%s run again is %s, want %s", cause, got, want)
		}
	}
}

// TestRerunKeepsItsSource: what is done again has the jobs that it had.
func TestRerunKeepsItsSource(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	first, err := w.Start(t.Context(), "default", StartRequest{Repository: "shop", Cause: "api", By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a rerun of a rerun too
		again, err := w.Rerun(t.Context(), "default", first.Name, "bob")
		if err != nil || again.Spec.Cause != "rerun" || again.Spec.RerunOf.Run != first.Name || sourceOf(again) != "api" {
			t.Fatalf("%+v, err %v", again, err)
		}
		first = again
	}
	child := newRun(&v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}, "refs/heads/main", v1alpha1.RefStatus{Commit: "c"})
	child.Name, child.Spec.Cause, child.Spec.Parent = "shop-1-kids-c1", v1alpha1.RunCauseChild, &v1alpha1.RunParent{Run: "shop-1", Job: "kids", Attempt: 1}
	if err := w.Create(t.Context(), child); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Rerun(t.Context(), "default", child.Name, "bob"); err == nil || !strings.Contains(err.Error(), `retry the job "kids" of that one`) {
		t.Errorf("err %v", err)
	}
}

// A log whose job has ended is read whole, although its last lines are on their way.
func TestLogOfAnEndedJobIsWhole(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.push()
	w.settle("shop-1")
	w.end("shop-1-a-1", true, 0, "Succeeded")
	tr := &tekton.TaskRun{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1-a-1"}, tr); err != nil {
		t.Fatal(err)
	}
	tr.Status.PodName = "shop-1-a-1-pod" // whose log is still to come
	if err := w.Status().Update(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	if run := w.settle("shop-1"); !run.Status.Phase.Finished() || w.LogStore.Sealed(attemptLog("a", 1)) {
		t.Fatalf("%s", run.Status.Phase)
	}
	read := make(chan string)
	go func() {
		defer close(read)
		rc, err := w.OpenLog(t.Context(), "default", "shop-1", "a", 0, false)
		if err != nil {
			read <- err.Error()
			return
		}
		defer rc.Close()
		b, err := io.ReadAll(rc)
		read <- fmt.Sprint(string(b), err)
	}()
	if err := w.LogStore.Seal(attemptLog("a", 1), "the last line"); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != "the last line\n<nil>" {
		t.Errorf("%q", got)
	}
}

func TestManualJobWaitsForAPerson(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "go", When: plan.Manual, AllowFailure: true})
	w.push()
	w.settle("shop-1")
	if got := w.taskRuns(); len(got) != 0 {
		t.Fatalf("task runs %v", got)
	}
	if err := w.Act(t.Context(), "default", "shop-1", v1alpha1.RunAction{Verb: verbPlay, Job: "go", By: "ann"}); err != nil {
		t.Fatal(err)
	}
	w.settle("shop-1")
	if got := w.taskRuns(); len(got) != 1 {
		t.Fatalf("task runs %v", got)
	}
}

func TestRerunTakesTheNextName(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.push()
	w.settle("shop-1")
	for _, want := range []string{"shop-1-r1", "shop-1-r2"} {
		run, err := w.Rerun(t.Context(), "default", "shop-1", "ann")
		if err != nil || run.Name != want || run.Spec.Cause != "rerun" {
			t.Fatalf("run %v, err %v", run, err)
		}
	}
	if run, err := w.Start(t.Context(), "default", StartRequest{Repository: "shop", Variables: map[string]string{"A": "b"}, By: "ann"}); err != nil || run.Name != "shop-1-r3" {
		t.Fatalf("run %v, err %v", run, err)
	}
	if _, err := w.Start(t.Context(), "default", StartRequest{Repository: "shop", Ref: "nope"}); err == nil || !strings.Contains(err.Error(), "known: main") {
		t.Errorf("err %v", err)
	}
}

func TestJobPodKeepsToTheBaseline(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.push()
	w.settle("shop-1")
	tr := &tekton.TaskRun{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1-a-1"}, tr); err != nil {
		t.Fatal(err)
	}
	p := tr.Spec.PodTemplate
	if *p.AutomountServiceAccountToken || p.HostNetwork || p.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || tr.Spec.ServiceAccountName != jobServiceAccount {
		t.Errorf("pod template %+v", p)
	}
	for _, e := range tr.Spec.TaskSpec.Steps[0].Env {
		if strings.Contains(strings.ToLower(e.Name), "token") {
			t.Errorf("environment has %s", e.Name)
		}
	}
	job, err := w.Job(t.Context(), jobapi.Ref{Namespace: "default", Run: "shop-1", Job: "a", Attempt: 1})
	if err != nil || job.Wire.Directory != "default/shop" || !job.Default {
		t.Errorf("job %+v, err %v", job, err)
	}
}

func TestNamesFitAndDiffer(t *testing.T) {
	long := strings.Repeat("x", 60)
	a, b := attemptName(long, "job-a", 1), attemptName(long, "job-b", 1)
	if len(a) > maxName-4 || a == b || attemptName("shop-1", "build", 2) != "shop-1-build-2" {
		t.Errorf("%q %q", a, b)
	}
}

var _ client.Client = (*Controller)(nil)
