package run

import (
	"context"
	"fmt"
	"strings"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// unpullablePrefix marks the status message of a TaskRun that was ended because of an image.
const unpullablePrefix = "image: "

// giveUp ends a TaskRun that waits for an image which it cannot have, without the
// kubelet's further tries. Why is written into the TaskRun, so that it is not lost.
func (c *Controller) giveUp(ctx context.Context, tr *tekton.TaskRun, why string) error {
	if why == "" || tr.IsDone() || tr.Spec.Status != "" {
		return nil
	}
	patch := fmt.Appendf(nil, `{"spec":{"status":%q,"statusMessage":%q}}`, tekton.TaskRunSpecStatusCancelled, unpullablePrefix+why)
	to := &tekton.TaskRun{ObjectMeta: metav1.ObjectMeta{Namespace: tr.Namespace, Name: tr.Name}}
	err := c.Patch(ctx, to, client.RawPatch(types.MergePatchType, patch))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("task run %s: end it for want of an image: %w", tr.Name, err)
	}
	return nil
}

// gaveUp says why a TaskRun was ended because of an image; empty: it was not.
func gaveUp(tr *tekton.TaskRun) string {
	why, _ := strings.CutPrefix(string(tr.Spec.StatusMessage), unpullablePrefix)
	if why == string(tr.Spec.StatusMessage) {
		return ""
	}
	return why
}

// unpullable says why an image that a container waits for was refused for good: which
// one, the reason, what to do. Empty: none was, or another try may help.
func unpullable(tr *tekton.TaskRun) string {
	if tr.Spec.TaskSpec == nil {
		return ""
	}
	for _, state := range tr.Status.Steps {
		for _, step := range tr.Spec.TaskSpec.Steps {
			if step.Name == state.Name && state.Waiting != nil {
				if why := refusal(step.Image, state.Waiting); why != "" {
					return why
				}
			}
		}
	}
	for _, state := range tr.Status.Sidecars {
		for _, sidecar := range tr.Spec.TaskSpec.Sidecars {
			if sidecar.Name == state.Name && state.Waiting != nil {
				if why := refusal(sidecar.Image, state.Waiting); why != "" {
					return ofService(tr, sidecar.Image) + why
				}
			}
		}
	}
	return ""
}

// refusedImage says why an attempt ends for want of an image.
func refusedImage(tr *tekton.TaskRun, job *plan.Job, js *v1alpha1.JobStatus) string {
	why := unpullable(tr)
	if why == "" && js.PullWay < moreWays(job) {
		why = unpulled(tr)
	}
	return why
}

// refusal reads what the kubelet says of an image that it could not have.
func refusal(image string, waiting *corev1.ContainerStateWaiting) string {
	if strings.HasPrefix(image, v1alpha1.RegistryHost+"/system/") {
		return "" // the server's own, which it put there itself: another try helps
	}
	message := waiting.Message
	has := func(texts ...string) bool {
		for _, t := range texts {
			if strings.Contains(message, t) {
				return true
			}
		}
		return false
	}
	switch waiting.Reason {
	case "InvalidImageName":
		return fmt.Sprintf("image %q is not an image name: %s; write it as name:tag", image, last(message))
	case "ErrImageNeverPull":
		return fmt.Sprintf("image %s is not on the node and pull_policy is never; use if-not-present", image)
	case "ErrImagePull", "ImagePullBackOff":
	default:
		return ""
	}
	own := strings.HasPrefix(image, v1alpha1.RegistryHost+"/")
	switch {
	case has("authorization failed", "401 Unauthorized", "403 Forbidden", "insufficient_scope", "code = PermissionDenied", "code = Unauthenticated"):
		return fmt.Sprintf("image %s: the registry refuses it to jobs of this namespace, or it is not there; check the name", image)
	case has(": not found", "code = NotFound", "manifest unknown", "404 Not Found") && own:
		return fmt.Sprintf("image %s: not found; check its name and tag, or push it with docker push or slipway build in a job before this one", image)
	case has(": not found", "code = NotFound", "manifest unknown", "404 Not Found"):
		return fmt.Sprintf("image %s: not found; its registry has no such image: check its name and tag", image)
	case has("503 Service Unavailable"):
		return fmt.Sprintf("image %s: its registry cannot be reached from this server, and no copy is kept here (503 Service Unavailable); check the server's network and the image's name, or put the image in with slipway image seed", image)
	case has("no such host"):
		return fmt.Sprintf("image %s: its registry is not known: %s; check the name", image, last(message))
	case has("no match for platform", "no matching manifest"):
		return fmt.Sprintf("image %s: it is not made for this machine's kind; use one that is", image)
	}
	return ""
}

// last part of a chain of errors, which says most.
func last(message string) string {
	parts := strings.Split(strings.TrimSpace(message), ": ")
	return oneLine(strings.Join(parts[max(0, len(parts)-2):], ": "))
}
