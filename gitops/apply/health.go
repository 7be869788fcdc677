package apply

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// AnnotationHealthDeadline on an object of the set ("90s") is how long it may take
// to become healthy; the longest one of a set replaces the application's.
const AnnotationHealthDeadline = "slipway.dev/health-deadline"

// Health of the objects as they are now, each with kstatus' word and message.
func (a *Applier) Health(ctx context.Context, refs []v1alpha1.ObjectReference) ([]v1alpha1.ObjectReference, error) {
	out := make([]v1alpha1.ObjectReference, len(refs))
	for i, ref := range refs {
		live := object(ref)
		err := a.reader.Get(ctx, client.ObjectKeyFromObject(live), live)
		switch {
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
			ref.Health, ref.Message = string(status.NotFoundStatus), "is gone"
		case err != nil:
			return nil, fmt.Errorf("%s/%s: %w", ref.Kind, ref.Name, err)
		default:
			ref.Health, ref.Message = compute(live)
		}
		out[i] = ref
	}
	return out, nil
}

// compute is kstatus, except that a claim waits for its first pod and a Service
// for a load balancer, and neither says anything about this release.
func compute(live *unstructured.Unstructured) (health, message string) {
	result, err := status.Compute(live)
	if err != nil {
		return string(status.UnknownStatus), err.Error()
	}
	waits := live.GetKind() == "PersistentVolumeClaim" || live.GetKind() == "Service"
	if waits && live.GroupVersionKind().Group == "" && result.Status == status.InProgressStatus {
		return string(status.CurrentStatus), result.Message
	}
	return string(result.Status), result.Message
}

// Summary of an inventory: Healthy, Progressing, Degraded or Unknown, and why.
func Summary(refs []v1alpha1.ObjectReference) (health, message string) {
	rank := map[string]int{"Healthy": 0, "Unknown": 1, "Progressing": 2, "Degraded": 3}
	health = "Healthy"
	for _, r := range refs {
		h := "Unknown"
		switch status.Status(r.Health) {
		case status.CurrentStatus:
			h = "Healthy"
		case status.InProgressStatus:
			h = "Progressing"
		case status.FailedStatus, status.NotFoundStatus, status.TerminatingStatus:
			h = "Degraded"
		}
		if rank[h] > rank[health] {
			health, message = h, fmt.Sprintf("%s/%s: %s", r.Kind, r.Name, r.Message)
		}
	}
	return health, message
}

// Failed is the first object that will not become healthy by waiting, or nil.
func Failed(refs []v1alpha1.ObjectReference) *v1alpha1.ObjectReference {
	for i := range refs {
		if status.Status(refs[i].Health) == status.FailedStatus {
			return &refs[i]
		}
	}
	return nil
}

// Deadline that the objects of a set ask for, or 0.
func Deadline(objects []*unstructured.Unstructured) time.Duration {
	var longest time.Duration
	for _, o := range objects {
		if d, err := time.ParseDuration(o.GetAnnotations()[AnnotationHealthDeadline]); err == nil && d > longest {
			longest = d
		}
	}
	return longest
}

// Addresses at which NodePort services of the inventory answer.
func (a *Applier) Addresses(ctx context.Context, refs []v1alpha1.ObjectReference) ([]string, error) {
	var ports []int32
	for _, r := range refs {
		if r.Kind != "Service" || r.Group != "" {
			continue
		}
		service := &corev1.Service{}
		if err := a.reader.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: r.Name}, service); err != nil {
			if apierrors.IsNotFound(err) {
				continue
			}
			return nil, err
		}
		for _, p := range service.Spec.Ports {
			if p.NodePort > 0 && (p.Protocol == corev1.ProtocolTCP || p.Protocol == "") {
				ports = append(ports, p.NodePort)
			}
		}
	}
	if len(ports) == 0 {
		return nil, nil
	}
	nodes := &corev1.NodeList{}
	if err := a.reader.List(ctx, nodes); err != nil {
		return nil, err
	}
	sort.Slice(nodes.Items, func(i, j int) bool { return nodes.Items[i].Name < nodes.Items[j].Name })
	for _, n := range nodes.Items {
		for _, at := range n.Status.Addresses {
			if at.Type != corev1.NodeInternalIP {
				continue
			}
			var out []string
			for _, p := range ports {
				out = append(out, fmt.Sprintf("http://%s:%d", at.Address, p))
			}
			return out, nil
		}
	}
	return nil, nil
}
