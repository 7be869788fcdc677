package run

import (
	"strings"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// waits says that the container of the attempt waits for its image, as the kubelet does.
func (w *world) waits(name, reason, message string) {
	w.t.Helper()
	tr := &tekton.TaskRun{}
	if err := w.Get(w.t.Context(), types.NamespacedName{Namespace: "default", Name: name}, tr); err != nil {
		w.t.Fatal(err)
	}
	tr.Status.Steps = []tekton.StepState{{Name: stepName, ContainerState: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	if err := w.Status().Update(w.t.Context(), tr); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) policy(name string) corev1.PullPolicy {
	w.t.Helper()
	tr := &tekton.TaskRun{}
	if err := w.Get(w.t.Context(), types.NamespacedName{Namespace: "default", Name: name}, tr); err != nil {
		w.t.Fatal(err)
	}
	return tr.Spec.TaskSpec.Steps[0].ImagePullPolicy
}

// TestPullPoliciesInTurn: the next one is tried where one does not give the image,
// whatever the reason, without that being a retry.
func TestPullPoliciesInTurn(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", Image: plan.Image{Name: "x", Pull: "always", PullNext: []string{"if-not-present", "never"}}, Retry: plan.Retry{Max: 1}})
	w.push()
	w.settle("shop-1")
	for i, want := range []corev1.PullPolicy{corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever, corev1.PullNever} {
		name := attemptName("shop-1", "a", i+1)
		if got := w.policy(name); got != want {
			t.Errorf("attempt %d pulls %s, want %s", i+1, got, want)
		}
		reason := "ErrImagePull" // the registry does not answer: one that may pass
		if want == corev1.PullNever {
			reason = "ErrImageNeverPull"
		}
		w.waits(name, reason, "dial tcp 10.0.0.1:443: connect: connection refused")
		w.settle("shop-1")
		w.end(name, false, 0, "TaskRunCancelled")
		w.settle("shop-1")
	}
	js := w.settle("shop-1").Status.Jobs[0]
	if js.Phase != v1alpha1.Failed || js.Reason != reasonImage || js.Attempt != 4 || !strings.Contains(js.Attempts[0].Message, "the next pull_policy is tried") || strings.Contains(js.Message, "next pull_policy") {
		t.Errorf("%+v", js)
	}
}

// TestLastPullPolicyWaits for what may pass, as one policy alone does.
func TestLastPullPolicyWaits(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", Image: plan.Image{Name: "x", Pull: "always"}})
	w.push()
	w.settle("shop-1")
	w.waits("shop-1-a-1", "ErrImagePull", "dial tcp 10.0.0.1:443: connect: connection refused")
	w.settle("shop-1")
	tr := &tekton.TaskRun{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1-a-1"}, tr); err != nil || tr.Spec.Status != "" {
		t.Errorf("%s %v", tr.Spec.Status, err)
	}
}

// TestAllowedFailureIsRetried, as in GitLab.
func TestAllowedFailureIsRetried(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", AllowExitCodes: []int32{3}, Retry: plan.Retry{Max: 1}})
	w.push()
	w.settle("shop-1")
	for _, n := range []int{1, 2} {
		w.end(attemptName("shop-1", "a", n), false, 3, "Failed")
		run := w.settle("shop-1")
		if done := run.Status.Phase.Finished(); done != (n == 2) || done && (run.Status.Phase != v1alpha1.Succeeded || run.Status.Jobs[0].Attempt != 2) {
			t.Errorf("after %d: %+v", n, run.Status)
		}
	}
}
