package run

import (
	"strings"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/variables"
)

// variable of the repository, and the references to all of its variables.
func (w *world) variable(name, value string) []plan.SecretRef {
	w.t.Helper()
	if err := w.Variables.Set(w.t.Context(), "default", variables.Variable{Name: name, Repository: "shop"}, []byte(value)); err != nil {
		w.t.Fatal(err)
	}
	s, err := w.Variables.Snapshot(w.t.Context(), "default", variables.Run{Repository: "shop", Protected: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Refs()
}

// TestImageOfAMaskedVariable: the pod has it, and no word of the run.
func TestImageOfAMaskedVariable(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", Image: plan.Image{Name: "$PLACE/app:$CI_CONCURRENT_ID"}, Services: []plan.Service{
		{Image: plan.Image{Name: "redis"}, Names: []string{"redis"}}, {Image: plan.Image{Name: "$PLACE/db:1"}, Names: []string{"db"}},
	}})
	w.compiler.Plan.Jobs[0].Secrets = w.variable("PLACE", "planted.example.org")
	w.push()
	w.settle("shop-1")
	tr := &tekton.TaskRun{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1-a-1"}, tr); err != nil {
		t.Fatal(err)
	}
	if image := tr.Spec.TaskSpec.Steps[0].Image; image != "planted.example.org/app:0" {
		t.Errorf("image %q", image)
	}
	if got := tr.Spec.PodTemplate.HostAliases[0].Hostnames; strings.Join(got, " ") != "redis db planted.example.org-db" {
		t.Errorf("names %q", got)
	}
	ref := jobapi.Ref{Namespace: "default", Run: "shop-1", Job: "a", Attempt: 1}
	job, err := w.Job(t.Context(), ref)
	if err != nil || job.Image.Name != "planted.example.org/app:0" {
		t.Fatalf("%+v %v", job.Image, err)
	}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: `"planted.example.org/app:0": not found`}}
	tr.Status.Steps = []tekton.StepState{{Name: stepName, ContainerState: waiting}}
	if err := w.Status().Update(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	w.settle("shop-1")
	w.end("shop-1-a-1", false, 0, "TaskRunCancelled")
	js := &w.settle("shop-1").Status.Jobs[0]
	if js.Phase != v1alpha1.Failed || js.Reason != reasonImage || !strings.Contains(js.Message, "$PLACE/app:$CI_CONCURRENT_ID") || strings.Contains(js.Message, "planted") {
		t.Errorf("%+v", js)
	}
}

func TestImageThatCannotBeFilled(t *testing.T) {
	for image, want := range map[string]string{"app:$UNSET": "image app:$UNSET: $UNSET is not set", "$PLACE": "is not an image name"} {
		w := newWorld(t, plan.Job{Name: "a", Image: plan.Image{Name: image}})
		w.compiler.Plan.Jobs[0].Secrets = w.variable("PLACE", "planted PLACE")
		w.push()
		js := w.settle("shop-1").Status.Jobs[0]
		if js.Phase != v1alpha1.Failed || !strings.Contains(js.Message, want) || strings.Contains(js.Message, "planted") {
			t.Errorf("%s: %+v", image, js)
		}
	}
}
