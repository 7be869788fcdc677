package stack

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestHealth(t *testing.T) {
	now := time.Now()
	pod := func(age time.Duration, change func(*corev1.Pod)) Seen {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "elasticsearch-0", CreationTimestamp: metav1.NewTime(now.Add(-age))}}
		change(&p)
		return Seen{Wanted: 1, Settled: true, Pods: []corev1.Pod{p}}
	}
	container := func(s corev1.ContainerStatus) Seen {
		s.Image = "elasticsearch:9"
		return pod(time.Minute, func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{s} })
	}
	waiting := func(reason, message string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	ended := func(code int32, reason, message string) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}
	}
	unbound := pod(time.Minute, func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "pod has unbound immediate PersistentVolumeClaims"}}
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-elasticsearch-0"}}}}
	})
	crowded := Seen{Wanted: 1, Pods: unbound.Pods}
	unbound.Claims = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data-elasticsearch-0"}, Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: ptr.To("fast")}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}}}
	for name, tc := range map[string]struct {
		seen          Seen
		state, reason string
		message       []string
	}{
		"ready":        {Seen{Wanted: 3, Ready: 3, Settled: true}, v1alpha1.StackReady, "", nil},
		"rolling out":  {Seen{Wanted: 3, Ready: 3}, v1alpha1.StackProgressing, "RollingOut", nil},
		"beginning":    {Seen{Wanted: 3}, v1alpha1.StackProgressing, "Starting", []string{"0 of 3"}},
		"creating":     {container(corev1.ContainerStatus{State: waiting("ContainerCreating", "")}), v1alpha1.StackProgressing, "Starting", nil},
		"no image":     {container(corev1.ContainerStatus{State: waiting("ImagePullBackOff", "not found")}), v1alpha1.StackDegraded, "ImagePullBackOff", []string{"elasticsearch:9", "not found", "spec.elasticsearch.image", "pullSecrets"}},
		"crash":        {container(corev1.ContainerStatus{State: waiting("CrashLoopBackOff", "back-off"), LastTerminationState: ended(78, "Error", "a\nERROR: bootstrap checks failed\n")}), v1alpha1.StackDegraded, "CrashLoopBackOff", []string{"ends with 78", "bootstrap checks failed", "logs elasticsearch-0 --previous"}},
		"first crash":  {container(corev1.ContainerStatus{State: ended(1, "Error", "boom")}), v1alpha1.StackDegraded, "CrashLoopBackOff", []string{"boom"}},
		"up again":     {container(corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, LastTerminationState: ended(1, "Error", "boom")}), v1alpha1.StackProgressing, "Starting", nil},
		"memory":       {container(corev1.ContainerStatus{State: waiting("CrashLoopBackOff", ""), LastTerminationState: ended(137, "OOMKilled", "")}), v1alpha1.StackDegraded, "OOMKilled", []string{"spec.elasticsearch.resources.memory"}},
		"no command":   {container(corev1.ContainerStatus{State: waiting("RunContainerError", "no such file")}), v1alpha1.StackDegraded, "RunContainerError", []string{"no such file", "an image of elasticsearch?"}},
		"claim":        {unbound, v1alpha1.StackDegraded, "ClaimNotBound", []string{`class "fast"`, "storage.class"}},
		"no room":      {crowded, v1alpha1.StackDegraded, "Unschedulable", []string{"spec.elasticsearch.resources"}},
		"silent":       {pod(11*time.Minute, func(*corev1.Pod) {}), v1alpha1.StackDegraded, "NotReady", []string{"does not listen since 11m"}},
		"pod security": {Seen{Wanted: 1, Refusals: []corev1.Event{{Message: `pods "x" is forbidden: violates PodSecurity "restricted:latest"`}}}, v1alpha1.StackDegraded, "PodSecurity", []string{"enforce=baseline"}},
		"quota":        {Seen{Wanted: 1, Refusals: []corev1.Event{{Message: "exceeded quota"}}}, v1alpha1.StackDegraded, "FailedCreate", []string{"exceeded quota"}},
		"refused once": {Seen{Wanted: 1, Ready: 1, Settled: true, Refusals: []corev1.Event{{Message: "exceeded quota"}}}, v1alpha1.StackReady, "", nil},
	} {
		got := Health(Elasticsearch, tc.seen, now)
		if got.State != tc.state || got.Reason != tc.reason {
			t.Errorf("%s: %s %s (%s), want %s %s", name, got.State, got.Reason, got.Message, tc.state, tc.reason)
		}
		for _, want := range tc.message {
			if !strings.Contains(got.Message, want) {
				t.Errorf("%s: %q does not say %q", name, got.Message, want)
			}
		}
	}
	if got := Health(Fluentd, Seen{Settled: true}, now); got.State != v1alpha1.StackProgressing {
		t.Errorf("no node: %+v", got)
	}
}

func TestWorst(t *testing.T) {
	c := func(state string) v1alpha1.StackComponent {
		return v1alpha1.StackComponent{Name: state, State: state, Message: "why"}
	}
	for want, parts := range map[string][]v1alpha1.StackComponent{
		v1alpha1.StackReady:       {c(v1alpha1.StackReady)},
		v1alpha1.StackProgressing: {c(v1alpha1.StackReady), c(v1alpha1.StackProgressing)},
		v1alpha1.StackDegraded:    {c(v1alpha1.StackProgressing), c(v1alpha1.StackDegraded)},
	} {
		if got, message := worst(parts); got != want || want != v1alpha1.StackReady && message != want+": why" {
			t.Errorf("%v: %s %q", parts, got, message)
		}
	}
}
