package run

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

// left are the files of shop-1 in the store, of those that were put there.
func (w *world) left(names ...string) (out []string) {
	w.t.Helper()
	for _, name := range names {
		rc, err := w.Artifacts.Get(w.t.Context(), "default", "shop-1", name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		rc.Close()
		out = append(out, name)
	}
	return out
}

func TestFilesOfAnEarlierAttemptAreForgotten(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", Artifacts: &plan.Artifacts{Reports: plan.Reports{JUnit: []string{"x.xml"}}}, Retry: plan.Retry{Max: 1}}, plan.Job{Name: "b"})
	w.push()
	w.settle("shop-1")
	files := []string{jobapi.ArtifactName("a"), jobapi.TestsName("a"), jobapi.DotenvName("a"), jobapi.ReportName("a", "junit")}
	fill := func() {
		for _, name := range append(files, jobapi.ArtifactName("b")) {
			if err := w.Artifacts.Put(t.Context(), "default", "shop-1", name, strings.NewReader("x"), 10); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	w.settle("shop-1")
	if got := w.left(files...); len(got) != len(files) {
		t.Fatalf("while it runs, %v are left", got)
	}
	w.end("shop-1-a-1", false, 1, "Failed") // tried again by itself
	w.want(w.settle("shop-1"), "a=Running/2 b=Running Running")
	if got := w.left(files...); got != nil {
		t.Errorf("after a retry by itself %v are left", got)
	}
	fill()
	w.end("shop-1-a-2", true, 0, "Succeeded")
	w.settle("shop-1")
	if got := w.left(files...); len(got) != len(files) {
		t.Errorf("it succeeded, and %v are left", got)
	}
	w.want(w.act("retry a"), "a=Running/3 b=Running Running")
	if got := w.left(files...); got != nil {
		t.Errorf("after a retry by hand %v are left", got)
	}
	if got := w.left(jobapi.ArtifactName("b")); got == nil {
		t.Error("another job's artifacts went too")
	}
}

func TestServicesEndSoonAfterTheirJob(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", Services: []plan.Service{{Image: plan.Image{Name: "busybox"}}}})
	w.push()
	w.settle("shop-1")
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-1-a-1-pod"}}
	if err := w.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	key := types.NamespacedName{Namespace: "default", Name: "shop-1-a-1"}
	tr := &tekton.TaskRun{}
	if err := w.Get(t.Context(), key, tr); err != nil {
		t.Fatal(err)
	}
	tr.Status.PodName = pod.Name
	tr.Status.Sidecars = []tekton.SidecarState{{Name: serviceName(0)}}
	if err := w.Status().Update(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	w.end("shop-1-a-1", true, 0, "Succeeded")
	w.complete("shop-1-a-1", time.Now())
	there := func() error {
		return w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: pod.Name}, &corev1.Pod{})
	}
	w.settle("shop-1")
	if err := there(); err != nil {
		t.Fatalf("its log is not complete, and the pod is gone: %v", err)
	}
	if err := w.LogStore.Seal(attemptLog("a", 1), ""); err != nil {
		t.Fatal(err)
	}
	w.settle("shop-1")
	if err := there(); !apierrors.IsNotFound(err) {
		t.Errorf("the pod with the services stays: %v", err)
	}
}
