package stack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/text"
)

// Seen is what the cluster has of a part.
type Seen struct {
	// Wanted pods, those that are Ready, and whether all of them are of the newest template.
	Wanted, Ready int32
	Settled       bool
	Pods          []corev1.Pod
	Claims        []corev1.PersistentVolumeClaim
	// Refusals are events of the workload whose pods could not be made, the newest last.
	Refusals []corev1.Event
}

const (
	// patience is how long a pod may take until it listens.
	patience = 10 * time.Minute
	// claimTime is how long it may take until its claim is there.
	claimTime = 20 * time.Second
)

// Health says how a part is, and where it is not as it should be, why and what to do.
func Health(part string, s Seen, now time.Time) v1alpha1.StackComponent {
	c := v1alpha1.StackComponent{Name: part, State: v1alpha1.StackProgressing, Ready: s.Ready, Wanted: s.Wanted, Address: address(part)}
	if s.Settled && s.Ready == s.Wanted && s.Wanted > 0 {
		c.State = v1alpha1.StackReady
		return c
	}
	if p, ok := trouble(part, s, now); ok {
		c.State, c.Reason, c.Message = v1alpha1.StackDegraded, p.reason, p.message
		return c
	}
	c.Reason = "Starting"
	c.Message = fmt.Sprintf("%d of %d pods are ready", s.Ready, s.Wanted)
	switch {
	case s.Wanted == 0 && part == Fluentd:
		c.Message = "there is no node to run on yet"
	case s.Ready == s.Wanted:
		c.Reason, c.Message = "RollingOut", "pods of the old configuration are being replaced"
	}
	return c
}

type problem struct{ reason, message string }

// trouble finds what does not get better by itself.
func trouble(part string, s Seen, now time.Time) (problem, bool) {
	for _, pod := range slices.SortedFunc(slices.Values(s.Pods), func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) }) {
		if !pod.DeletionTimestamp.IsZero() {
			continue
		}
		for _, c := range pod.Status.ContainerStatuses {
			if p, ok := ofContainer(part, &pod, c); ok {
				return p, true
			}
		}
		for _, c := range pod.Status.Conditions {
			// A claim of a moment ago is not known to every part of the scheduler.
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && now.Sub(pod.CreationTimestamp.Time) > claimTime {
				return unscheduled(part, &pod, c, s.Claims), true
			}
		}
		if age := now.Sub(pod.CreationTimestamp.Time); !ready(&pod) && age > patience {
			return problem{"NotReady", fmt.Sprintf("pod %s does not listen since %s; see `%s`", pod.Name, age.Round(time.Minute), logsOf(pod.Name, false))}, true
		}
	}
	if n := len(s.Refusals); n > 0 && int32(len(s.Pods)) < s.Wanted {
		message := text.Mark(s.Refusals[n-1].Message, 300)
		if strings.Contains(message, "violates PodSecurity") {
			return problem{"PodSecurity", fmt.Sprintf("%s; put the label pod-security.kubernetes.io/enforce=baseline on the namespace %s", message, namespace)}, true
		}
		return problem{"FailedCreate", fmt.Sprintf("no pod can be made: %s; see `slipway kubectl -n %s describe pods,statefulsets,daemonsets,deployments`", message, namespace)}, true
	}
	return problem{}, false
}

func ofContainer(part string, pod *corev1.Pod, c corev1.ContainerStatus) (problem, bool) {
	ended := c.LastTerminationState.Terminated
	if c.State.Terminated != nil {
		ended = c.State.Terminated
	}
	if ended != nil && ended.Reason == "OOMKilled" && !c.Ready {
		return problem{"OOMKilled", fmt.Sprintf("pod %s wants more memory than it has; give it more: spec.%s.resources.memory", pod.Name, part)}, true
	}
	w := c.State.Waiting
	switch {
	case w != nil && slices.Contains([]string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}, w.Reason):
		return problem{w.Reason, fmt.Sprintf("image %s cannot be pulled: %s; put its name right (spec.%s.image), push it, or name the Secret to pull it with (spec.pullSecrets)",
			c.Image, text.Mark(cmp.Or(w.Message, w.Reason), 200), part)}, true
	case w != nil && slices.Contains([]string{"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}, w.Reason):
		return problem{w.Reason, fmt.Sprintf("pod %s: %s; is %s an image of %s?", pod.Name, text.Mark(w.Message, 300), c.Image, part)}, true
	case ended != nil && ended.ExitCode != 0 && !c.Ready && (w != nil || c.State.Terminated != nil):
		why := lastLine(ended.Message)
		if why != "" {
			why = ": " + why
		}
		return problem{"CrashLoopBackOff", fmt.Sprintf("pod %s ends with %d%s; see `%s`", pod.Name, ended.ExitCode, why, logsOf(pod.Name, c.State.Terminated == nil))}, true
	}
	return problem{}, false
}

func unscheduled(part string, pod *corev1.Pod, c corev1.PodCondition, claims []corev1.PersistentVolumeClaim) problem {
	// Most classes bind a claim when its pod has a node: one that waits is not what is wrong.
	said := strings.ToLower(c.Message)
	aboutClaim := strings.Contains(said, "volume") || strings.Contains(said, "storageclass")
	for _, claim := range claims {
		if !aboutClaim || claim.Status.Phase != corev1.ClaimPending || !uses(pod, claim.Name) {
			continue
		}
		class := "the default class"
		if claim.Spec.StorageClassName != nil {
			class = fmt.Sprintf("class %q", *claim.Spec.StorageClassName)
		}
		return problem{"ClaimNotBound", fmt.Sprintf("claim %s of %s is not bound: %s; `slipway kubectl get storageclasses` lists those that there are, for spec.%s.storage.class", claim.Name, class, text.Mark(c.Message, 200), part)}
	}
	return problem{cmp.Or(c.Reason, corev1.PodReasonUnschedulable), fmt.Sprintf("pod %s finds no node: %s; ask for less in spec.%s.resources, or add a node", pod.Name, text.Mark(c.Message, 200), part)}
}

func uses(pod *corev1.Pod, claim string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim
	})
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// lastLine of what a container said at last.
func lastLine(message string) string {
	lines := strings.Split(strings.TrimSpace(message), "\n")
	return text.Mark(strings.TrimSpace(lines[len(lines)-1]), 300)
}

func logsOf(pod string, previous bool) string {
	command := "slipway kubectl -n " + namespace + " logs " + pod
	if previous {
		command += " --previous"
	}
	return command
}

func address(part string) string {
	switch part {
	case Elasticsearch:
		return fmt.Sprintf("https://%s:%d", Host(part), ElasticsearchPort)
	case Kibana:
		return fmt.Sprintf("https://%s:%d", Host(part), KibanaPort)
	case Fluentd:
		return fmt.Sprintf("%s:%d", Host(part), FluentdPort)
	}
	return Host(part)
}

// worst is the state of a stack of parts, and why.
func worst(parts []v1alpha1.StackComponent) (state, message string) {
	state = v1alpha1.StackReady
	for _, want := range []string{v1alpha1.StackDegraded, v1alpha1.StackProgressing} {
		for _, c := range parts {
			if c.State == want {
				return want, c.Name + ": " + c.Message
			}
		}
	}
	return state, ""
}
