package node

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A kubelet that starts takes containers younger than this for ones that it has started
// itself, and until their first probe for ready (pkg/kubelet/prober of 1.37).
const kubeletGrace = 10 * time.Second

// Unproven is how long no kubelet may start on account of these pods: while a container is
// in that age whose pod is not ready and waits for a probe, it would be ready for a moment,
// in which a Deployment gives up the pods that serve.
func Unproven(pods []corev1.Pod, now time.Time) (hold time.Duration) {
	for i := range pods {
		hold = max(hold, unproven(&pods[i], now))
	}
	return hold
}

func unproven(p *corev1.Pod, now time.Time) (hold time.Duration) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return 0
		}
	}
	probed := map[string]bool{}
	for _, c := range p.Spec.Containers {
		probed[c.Name] = c.ReadinessProbe != nil
	}
	for _, s := range p.Status.ContainerStatuses {
		if probed[s.Name] && s.State.Running != nil {
			// Times in a status are whole seconds.
			hold = max(hold, kubeletGrace+time.Second-now.Sub(s.State.Running.StartedAt.Time))
		}
	}
	return min(hold, kubeletGrace+time.Second)
}
