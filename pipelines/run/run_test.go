package run

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"knative.dev/pkg/apis"
	duckv1 "knative.dev/pkg/apis/duck/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/jobapi/wire"
	"slipway.dev/pipelines/joblog"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/variables"
)

type compiler struct{ Compiled }

func (c *compiler) Compile(context.Context, *v1alpha1.Run, *v1alpha1.Repository) (Compiled, error) {
	return c.Compiled, nil
}

type noLogs struct{}

func (noLogs) Follow(joblog.Attempt, string, string) {}
func (noLogs) Following(joblog.Attempt) bool         { return false }

type world struct {
	*Controller
	t        *testing.T
	compiler *compiler
	pushes   *Pushes
	live     client.Client // what a restart goes back to
}

var repoKey = types.NamespacedName{Namespace: "default", Name: "shop"}

func newWorld(t *testing.T, jobs ...plan.Job) *world {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, tekton.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop", UID: "u"},
		Status: v1alpha1.RepositoryStatus{DefaultBranch: "main", Sequence: 1, Refs: map[string]v1alpha1.RefStatus{
			"refs/heads/main": {Commit: strings.Repeat("a", 40), Sequence: 1, Via: "push", By: "ann"},
		}}}
	cl := fake.NewClientBuilder().WithScheme(s).WithStatusSubresource(&v1alpha1.Run{}, &v1alpha1.Repository{}, &tekton.TaskRun{}).WithObjects(repo).Build()
	tokens, err := jobapi.NewTokens(bytes.Repeat([]byte("k"), jobapi.MinKey))
	if err != nil {
		t.Fatal(err)
	}
	plan.AssignIDs(jobs)
	for i := range jobs {
		if jobs[i].When == "" {
			jobs[i].When = plan.OnSuccess
		}
	}
	log := slog.New(slog.DiscardHandler)
	w := &world{t: t, compiler: &compiler{Compiled{Plan: &plan.Plan{Version: plan.Version, Source: "default", Jobs: jobs}}}, pushes: &Pushes{Client: cl, Log: log}}
	w.Controller = &Controller{Client: cl, Compiler: w.compiler, Artifacts: jobapi.Dir(t.TempDir()), LogStore: joblog.NewStore(t.TempDir()),
		Logs: noLogs{}, Tokens: tokens, Variables: &variables.Store{Client: cl}, Log: log, Settings: Settings{ServerURL: "https://10.0.0.5:8443", RunnerImage: "runner", DefaultImage: "toolbox"}}
	return w
}

func (w *world) push() {
	w.t.Helper()
	if _, err := w.pushes.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: repoKey}); err != nil {
		w.t.Fatal(err)
	}
}

// settle reconciles until nothing changes and returns the run.
func (w *world) settle(name string) *v1alpha1.Run {
	w.t.Helper()
	key := types.NamespacedName{Namespace: "default", Name: name}
	last := ""
	for range 20 {
		if _, err := w.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key}); errors.Is(err, errCrash) {
			w.restart()
			continue
		} else if err != nil {
			w.t.Fatal(err)
		}
		run := &v1alpha1.Run{}
		if err := w.Get(w.t.Context(), key, run); err != nil {
			w.t.Fatal(err)
		}
		if run.ResourceVersion == last {
			return run
		}
		last = run.ResourceVersion
	}
	w.t.Fatal("the run does not settle")
	return nil
}

// end the TaskRun as Tekton would.
func (w *world) end(name string, ok bool, code int32, reason string) {
	w.t.Helper()
	tr := &tekton.TaskRun{}
	if err := w.Get(w.t.Context(), types.NamespacedName{Namespace: "default", Name: name}, tr); err != nil {
		w.t.Fatal(err)
	}
	status := corev1.ConditionFalse
	if ok {
		status = corev1.ConditionTrue
	}
	start := metav1.Now()
	tr.Status.StartTime = &start
	tr.Status.Status = duckv1.Status{Conditions: duckv1.Conditions{{Type: apis.ConditionSucceeded, Status: status, Reason: reason, Message: "said so"}}}
	tr.Status.Steps = []tekton.StepState{{Name: stepName, ContainerState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}}}
	if err := w.Status().Update(w.t.Context(), tr); err != nil {
		w.t.Fatal(err)
	}
}

// crashAt makes the n-th write from now on, and all after it, fail: before it takes
// effect, or after it where n is odd. A restart ends that.
func (w *world) crashAt(n int) {
	inner, after := w.Controller.Client.(client.WithWatch), n%2 == 1
	left, dead := n/2, false
	write := func(do func() error) error {
		if dead {
			return errCrash
		}
		if left--; left >= 0 {
			return do()
		}
		dead = true
		if after {
			if err := do(); err != nil {
				return err
			}
		}
		return errCrash
	}
	w.live = inner
	w.Controller.Client = interceptor.NewClient(inner, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return write(func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return write(func() error { return c.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return write(func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return write(func() error { return c.Delete(ctx, o, opts...) })
		},
		DeleteAllOf: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteAllOfOption) error {
			return write(func() error { return c.DeleteAllOf(ctx, o, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return write(func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
	})
}

// restart forgets what a process would.
func (w *world) restart() {
	c := w.Controller
	w.Controller = &Controller{Client: w.live, Compiler: c.Compiler, Artifacts: c.Artifacts, LogStore: c.LogStore, Logs: c.Logs,
		Tokens: c.Tokens, Log: c.Log, Settings: c.Settings, Events: c.Events}
}

var (
	errCrash = errors.New("crash")
	errSaid  = errors.New("said so")
)

func attemptLog(job string, n int) joblog.Attempt {
	return joblog.Attempt{Namespace: "default", Run: "shop-1", Job: job, Number: n}
}

func (w *world) taskRuns() []string {
	w.t.Helper()
	list := &tekton.TaskRunList{}
	if err := w.List(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

func needs(jobs ...string) (out []plan.Need) {
	for _, j := range jobs {
		out = append(out, plan.Need{Job: j})
	}
	return out
}

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

func TestRestartMakesNothingTwice(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.push()
	w.settle("shop-1")
	// A crash before the mark was written: the same update is seen again.
	repo := &v1alpha1.Repository{}
	if err := w.Get(t.Context(), repoKey, repo); err != nil {
		t.Fatal(err)
	}
	delete(repo.Annotations, handledAnnotation)
	if err := w.Update(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	w.push()
	w.settle("shop-1")
	runs := &v1alpha1.RunList{}
	if err := w.List(t.Context(), runs); err != nil || len(runs.Items) != 1 || len(w.taskRuns()) != 1 {
		t.Fatalf("%d runs, task runs %v, err %v", len(runs.Items), w.taskRuns(), err)
	}
	// A crash between writing the decision and making the TaskRun: it is made.
	if err := w.Delete(t.Context(), &tekton.TaskRun{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-1-a-1"}}); err != nil {
		t.Fatal(err)
	}
	w.settle("shop-1")
	if got := w.taskRuns(); len(got) != 1 {
		t.Fatalf("task runs %v", got)
	}
	// A deleted run does not come back.
	if err := w.Delete(t.Context(), &runs.Items[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: "shop-1"}}); err != nil {
		t.Fatal(err)
	}
	w.push()
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1"}, &v1alpha1.Run{}); !apierrors.IsNotFound(err) {
		t.Errorf("err %v", err)
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
