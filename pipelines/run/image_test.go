package run

import (
	"strings"
	"testing"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
)

func waitingFor(image, reason, message string) *tekton.TaskRun {
	tr := &tekton.TaskRun{Spec: tekton.TaskRunSpec{TaskSpec: &tekton.TaskSpec{Steps: []tekton.Step{{Name: stepName, Image: image}}}}}
	tr.Status.Steps = []tekton.StepState{{Name: stepName, ContainerState: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	return tr
}

// What the kubelet was seen to say of images that it could not have.
func TestImagesRefusedForGood(t *testing.T) {
	own := v1alpha1.RegistryHost + "/default/shop:1"
	for _, tc := range []struct{ image, reason, message, want string }{
		{own, "ErrImagePull", `rpc error: code = NotFound desc = failed to pull and unpack image "` + own + `": failed to resolve reference "` + own + `": ` + own + `: not found`, own + ": not found; check its name and tag, or push it"},
		{"no-such:1", "ErrImagePull", `failed to resolve reference "docker.io/library/no-such:1": docker.io/library/no-such:1: not found`, "no-such:1: not found; its registry has no such image"},
		{"no-such:1", "ErrImagePull", `failed to resolve reference "docker.io/library/no-such:1": unexpected status from HEAD request to http://127.0.0.1:8080/v2/library/no-such/manifests/1?ns=docker.io: 503 Service Unavailable`, "slipway image seed"},
		{own, "ImagePullBackOff", `Back-off pulling image "` + own + `": ErrImagePull: pull access denied: authorization failed: no basic auth credentials`, "refuses it"},
		{"UPPER::x", "InvalidImageName", `Failed to apply default image tag "UPPER::x": couldn't parse image name "UPPER::x": invalid reference format: repository name (Case) must be lowercase`, "must be lowercase; write it as name:tag"},
		{own, "ErrImageNeverPull", "Container image is not present with pull policy of Never", "pull_policy is never"},
		{"busybox", "ErrImagePull", `failed to do request: Head "http://127.0.0.1:8080/v2/": dial tcp 127.0.0.1:8080: connect: connection refused`, ""},
		{"busybox", "ErrImagePull", `unexpected status from HEAD request: 429 Too Many Requests`, ""},
		{"busybox", "ContainerCreating", "image: not found", ""},
		{v1alpha1.RegistryHost + "/system/runner:1", "ErrImagePull", v1alpha1.RegistryHost + "/system/runner:1: not found", ""},
	} {
		if got := unpullable(waitingFor(tc.image, tc.reason, tc.message)); got == "" != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s %s: %q, want %q", tc.image, tc.reason, got, tc.want)
		}
	}
	tr := &tekton.TaskRun{Spec: tekton.TaskRunSpec{TaskSpec: &tekton.TaskSpec{Sidecars: []tekton.Sidecar{{Name: "service-0", Image: "db"}}}}}
	tr.Status.Sidecars = []tekton.SidecarState{{Name: "service-0", ContainerState: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "db: not found"}}}}
	if got := unpullable(tr); !strings.HasPrefix(got, "service: image db: not found") {
		t.Errorf("a service: %q", got)
	}
}

func TestImageInAnEvent(t *testing.T) {
	for message, want := range map[string]string{
		`Failed to pull image "busybox:1": rpc error: not found`: "busybox:1",
		`Error: ErrImagePull`:                 "",
		`Failed to pull image "busybox`:       "",
		`Failed to pull image """: not found`: `"`,
		``:                                    "",
	} {
		if got := failedImage(message); got != want {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}

// A TaskRun that was ended because of an image is a failure that may be tried again, no cancel.
func TestEndedForWantOfAnImage(t *testing.T) {
	tr := waitingFor("db", "ErrImagePull", "db: not found")
	tr.Spec.Status, tr.Spec.StatusMessage = tekton.TaskRunSpecStatusCancelled, unpullablePrefix+"image db: not found"
	tr.Status.MarkResourceFailed(tekton.TaskRunReasonCancelled, jobapi.ErrGone)
	js := &v1alpha1.JobStatus{Name: "a", Phase: v1alpha1.Running, Attempt: 1}
	observe(&v1alpha1.Run{}, js, &plan.Job{Name: "a"}, tr, true)
	if js.Phase != v1alpha1.Failed || js.Reason != reasonImage || js.Message != "image db: not found" {
		t.Errorf("%+v", js)
	}
	js = &v1alpha1.JobStatus{Name: "a", Phase: v1alpha1.Running, Attempt: 1}
	observe(&v1alpha1.Run{}, js, &plan.Job{Name: "a", Retry: plan.Retry{Max: 1}}, tr, true)
	if js.Phase != v1alpha1.Pending {
		t.Errorf("with a retry: %+v", js)
	}
}
