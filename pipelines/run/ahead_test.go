package run

import (
	"slices"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobcache"
	"slipway.dev/pipelines/joblog"
	"slipway.dev/pipelines/plan"
)

// followed counts the logs.
type followed struct {
	noLogs
	n int
}

func (f *followed) Follow(joblog.Attempt, string, string) { f.n++ }

// TestLargeCachesAreRestoredAhead by a step of their own, which decides nothing.
func TestLargeCachesAreRestoredAhead(t *testing.T) {
	large := func(scope jobcache.Scope, keys []string) int64 {
		if scope.Repository == "shop" && slices.Contains(keys, "deps-main") {
			return aheadFrom
		}
		return 100
	}
	deps := plan.Cache{Key: "deps-$CI_COMMIT_REF_NAME", Paths: []string{"deps/"}, Pull: true, Push: true}
	for name, tt := range map[string]struct {
		cache plan.Cache
		want  []string
	}{
		"large":                     {deps, []string{aheadStep, stepName}},
		"small":                     {plan.Cache{Key: "small", Pull: true}, []string{stepName}},
		"by another key":            {plan.Cache{Key: "none", Fallback: []string{"deps-main"}, Pull: true}, []string{aheadStep, stepName}},
		"whose key is of the files": {plan.Cache{KeyFiles: []string{"lock"}, Fallback: []string{"deps-main"}, Pull: true}, []string{stepName}},
		"that is only filled":       {plan.Cache{Key: "deps-main", Push: true}, []string{stepName}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, plan.Job{Name: "a", Image: plan.Image{Name: "golang:1.26", User: "1000"}, Caches: []plan.Cache{tt.cache}})
			w.compiler.Compiled.Plan.Variables = []plan.Variable{{Name: "CI_COMMIT_REF_NAME", Value: "main"}}
			w.CacheSize = large
			w.push()
			w.settle("shop-1")
			tr := &tekton.TaskRun{}
			if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1-a-1"}, tr); err != nil {
				t.Fatal(err)
			}
			steps := tr.Spec.TaskSpec.Steps
			var names []string
			for _, s := range steps {
				names = append(names, s.Name)
			}
			if !slices.Equal(names, tt.want) {
				t.Fatalf("steps %q, want %q", names, tt.want)
			}
			if len(steps) == 1 {
				return
			}
			ahead, job := steps[0], steps[1]
			if ahead.Image != "runner" || job.Image != "golang:1.26" || ahead.OnError != tekton.Continue || *ahead.SecurityContext.RunAsUser != 1000 || *ahead.SecurityContext.AllowPrivilegeEscalation || len(ahead.VolumeMounts) != 2 {
				t.Errorf("%+v", ahead)
			}
			// While the job's image is pulled there is no log to follow; how the step ends is
			// not how the job does.
			js := jobStatus(w.runOf("shop-1"), "a")
			tr.Status.PodName = "pod"
			tr.Status.Steps = []tekton.StepState{{Name: aheadStep, ContainerState: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}, {Name: stepName, ContainerState: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}}}
			var logs followed
			w.Logs = &logs
			w.follow(w.runOf("shop-1"), w.compiler.Compiled.Plan.Job("a"), 1, tr)
			if logs.n > 0 {
				t.Error("the log of a container that has not begun is followed")
			}
			w.Logs = noLogs{}
			w.end(js.TaskRun, false, 7, "Failed")
			if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: js.TaskRun}, tr); err != nil {
				t.Fatal(err)
			}
			tr.Status.Steps = append(tr.Status.Steps, tekton.StepState{Name: aheadStep, ContainerState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 0, FinishedAt: metav1.Now()}}})
			if err := w.Status().Update(t.Context(), tr); err != nil {
				t.Fatal(err)
			}
			if js := jobStatus(w.settle("shop-1"), "a"); js.Phase != v1alpha1.Failed || js.ExitCode == nil || *js.ExitCode != 7 {
				t.Errorf("%+v", js)
			}
		})
	}
}
