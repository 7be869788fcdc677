package engine

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/ptr"

	"slipway.dev/cluster/api/v1alpha1"
)

// serviceGrace is what services of a job have to end once it is over, in seconds. GitLab
// Runner gives them none.
const serviceGrace = 1

// sidecarPrefix is how Tekton begins the names of what runs beside steps.
const sidecarPrefix = "sidecar-"

// brief is a client that makes the pods of jobs with services such that the services end with
// the job: to end them Tekton gives their containers another image, and the kubelet waits for
// each as long as its pod says, 30 seconds where it says nothing. While it waits it does not
// hear that the pod was deleted with less.
//
// A job that is stopped has the time of its after_script all the same, as it is given with the
// deletion; pods of Tekton's own pipelines stay as they are.
type brief struct{ kubernetes.Interface }

// CoreV1 satisfies kubernetes.Interface.
func (b brief) CoreV1() typed.CoreV1Interface { return briefCore{b.Interface.CoreV1()} }

type briefCore struct{ typed.CoreV1Interface }

// Pods satisfies typed.PodsGetter.
func (c briefCore) Pods(namespace string) typed.PodInterface {
	return briefPods{c.CoreV1Interface.Pods(namespace)}
}

type briefPods struct{ typed.PodInterface }

// Create satisfies typed.PodInterface.
func (p briefPods) Create(ctx context.Context, pod *corev1.Pod, opts metav1.CreateOptions) (*corev1.Pod, error) {
	if pod.Labels[v1alpha1.LabelJob] != "" && pod.Spec.TerminationGracePeriodSeconds == nil && hasServices(pod) {
		pod = pod.DeepCopy()
		pod.Spec.TerminationGracePeriodSeconds = ptr.To[int64](serviceGrace)
	}
	return p.PodInterface.Create(ctx, pod, opts)
}

func hasServices(pod *corev1.Pod) bool {
	for _, c := range pod.Spec.Containers {
		if strings.HasPrefix(c.Name, sidecarPrefix) {
			return true
		}
	}
	return false
}
