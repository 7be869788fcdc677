//go:build e2e

package release

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// addNode makes a node that the scheduler accepts.
func addNode(t *testing.T, c kubernetes.Interface) {
	t.Helper()
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("100"),
	}
	_, err := c.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "e2e"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, retry.RetryOnConflict(retry.DefaultBackoff, func() error { // controllers write to it too
		node, err := c.CoreV1().Nodes().Get(t.Context(), "e2e", metav1.GetOptions{})
		if err != nil {
			return err
		}
		node.Status = corev1.NodeStatus{
			Capacity: room, Allocatable: room,
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.41.0.1"}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now()}},
		}
		_, err = c.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{})
		return err
	}))
}

// heartbeat keeps the node ready: without one it is tainted after 40 seconds.
func heartbeat(ctx context.Context, c kubernetes.Interface) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		node, err := c.CoreV1().Nodes().Get(ctx, "e2e", metav1.GetOptions{})
		if err != nil {
			continue
		}
		for i := range node.Status.Conditions {
			node.Status.Conditions[i].LastHeartbeatTime = metav1.Now()
		}
		_, _ = c.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
	}
}

// kubelet says of every pod that it runs, and that it is ready unless its image
// ends in "-broken"; those of images that end in "-done" and "-fails" end at once, and
// deleted pods go at once. Those with "-slow" in their image wait for somebody to run
// them. It stops with the context, and comes back with an apiserver that was away.
func kubelet(ctx context.Context, c kubernetes.Interface) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if w, err := c.CoreV1().Pods("").Watch(ctx, metav1.ListOptions{}); err == nil {
			keep(ctx, c, w)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func keep(ctx context.Context, c kubernetes.Interface, w watch.Interface) {
	defer w.Stop()
	zero := int64(0)
	for event := range w.ResultChan() {
		p, ok := event.Object.(*corev1.Pod)
		switch {
		case !ok || event.Type == "DELETED":
		case p.DeletionTimestamp != nil:
			_ = c.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &zero})
		case strings.Contains(p.Spec.Containers[0].Image, "-slow"):
		case p.Spec.NodeName != "" && (p.Status.Phase == corev1.PodPending || p.Status.Phase == ""):
			run(ctx, c, p)
		}
	}
}

func run(ctx context.Context, c kubernetes.Interface, p *corev1.Pod) {
	image := p.Spec.Containers[0].Image
	state := corev1.ConditionTrue
	if strings.Contains(image, "-broken") {
		state = corev1.ConditionFalse
		_, _ = c.CoreV1().Events(p.Namespace).Create(ctx, &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: p.Namespace, GenerateName: "unhealthy-"},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, UID: p.UID},
			Type:           "Warning", Reason: "Unhealthy", Message: "Readiness probe failed: HTTP probe failed with statuscode: 500 (planted-value)",
			LastTimestamp: metav1.Now(),
		}, metav1.CreateOptions{})
	}
	now := metav1.Now()
	for suffix, phase := range map[string]corev1.PodPhase{"-done": corev1.PodSucceeded, "-fails": corev1.PodFailed} {
		if !strings.HasSuffix(image, suffix) {
			continue
		}
		code := int32(0)
		if phase == corev1.PodFailed {
			code = 1
		}
		p.Status.Phase = phase
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: p.Spec.Containers[0].Name, Image: image,
			State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, StartedAt: now, FinishedAt: now}},
		}}
		_, _ = c.CoreV1().Pods(p.Namespace).UpdateStatus(ctx, p, metav1.UpdateOptions{})
		return
	}
	p.Status.Phase = corev1.PodRunning
	p.Status.StartTime = &now
	p.Status.Conditions = append(p.Status.Conditions,
		corev1.PodCondition{Type: corev1.PodReady, Status: state, LastTransitionTime: now},
		corev1.PodCondition{Type: corev1.ContainersReady, Status: state, LastTransitionTime: now})
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: p.Spec.Containers[0].Name, Image: image, Ready: state == corev1.ConditionTrue,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
	}}
	_, _ = c.CoreV1().Pods(p.Namespace).UpdateStatus(ctx, p, metav1.UpdateOptions{})
}
