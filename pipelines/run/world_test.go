package run

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"knative.dev/pkg/apis"
	duckv1 "knative.dev/pkg/apis/duck/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/archive"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/joblog"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/variables"
)

// compiler gives every run the same plan, but for those that have one of their own.
type compiler struct {
	Compiled
	of      map[string]Compiled
	origins map[string]*Origin // as they were given
}

func (c *compiler) Compile(_ context.Context, run *v1alpha1.Run, _ *v1alpha1.Repository, of *Origin) (Compiled, error) {
	if c.origins == nil {
		c.origins = map[string]*Origin{}
	}
	c.origins[run.Name] = of
	if own, ok := c.of[run.Name]; ok {
		return own, nil
	}
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
			"refs/heads/main": {Commit: strings.Repeat("a", 40), Before: strings.Repeat("9", 40), Sequence: 1, Via: "push", By: "ann"},
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
	old, err := archive.Open(filepath.Join(t.TempDir(), "runs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = old.Close() })
	log := slog.New(slog.DiscardHandler)
	w := &world{t: t, compiler: &compiler{Compiled: Compiled{Plan: &plan.Plan{Version: plan.Version, Source: "default", Jobs: jobs}}}, pushes: &Pushes{Client: cl, Log: log}}
	w.Controller = &Controller{Client: cl, Archive: old, Compiler: w.compiler, Artifacts: jobapi.Dir(t.TempDir()), LogStore: joblog.NewStore(t.TempDir()),
		Logs: noLogs{}, Tokens: tokens, Variables: &variables.Store{Client: cl}, Log: log, Settings: Settings{ServerURL: "https://10.0.0.5:8443", RunnerImage: "runner", DefaultImage: "toolbox"}}
	w.pushes.Purge = w.Purge
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

func attemptLogOf(run, job string) joblog.Attempt {
	return joblog.Attempt{Namespace: "default", Run: run, Job: job, Number: 1}
}

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
