package node

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestUnproven(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		age           time.Duration
		probed, ready bool
		want          time.Duration
	}{
		"young":               {4 * time.Second, true, false, 7 * time.Second},
		"ready":               {4 * time.Second, true, true, 0},
		"without a probe":     {4 * time.Second, false, false, 0},
		"old":                 {time.Minute, true, false, 0},
		"of a clock that ran": {-time.Hour, true, false, 11 * time.Second},
	} {
		p := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}, {Name: "side"}}}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "a"}, {Name: "side"}}
		p.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-c.age))}
		if c.probed {
			p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{}
		}
		if c.ready {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		if got := Unproven([]corev1.Pod{{}, *p}, now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
