package engine

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestServicesEndWithTheirJob(t *testing.T) {
	ours := map[string]string{v1alpha1.LabelJob: "test"}
	for name, c := range map[string]struct {
		labels     map[string]string
		containers []string
		says, want *int64
	}{
		"with services":      {ours, []string{"step-job", "sidecar-service-0"}, nil, ptr.To[int64](serviceGrace)},
		"without":            {ours, []string{"step-job"}, nil, nil},
		"of Tekton's own":    {nil, []string{"step-job", "sidecar-db"}, nil, nil},
		"that says for long": {ours, []string{"step-job", "sidecar-service-0"}, ptr.To[int64](60), ptr.To[int64](60)},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: c.labels}, Spec: corev1.PodSpec{TerminationGracePeriodSeconds: c.says}}
			for _, n := range c.containers {
				pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: n})
			}
			made, err := brief{fake.NewClientset()}.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := made.Spec.TerminationGracePeriodSeconds; ptr.Deref(got, -1) != ptr.Deref(c.want, -1) {
				t.Errorf("%d s, want %d", ptr.Deref(got, -1), ptr.Deref(c.want, -1))
			}
		})
	}
}
