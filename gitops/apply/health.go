package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/health"
)

// AnnotationHealthDeadline on an object of the set ("90s") is how long it may take
// to become healthy; the longest one of a set replaces the application's.
const AnnotationHealthDeadline = "slipway.dev/health-deadline"

// maxCompiled sets of health checks are kept.
const maxCompiled = 256

// compiled are the health checks of a target.
func (a *Applier) compiled(t Target) (*health.Checks, error) {
	if len(t.Checks) == 0 {
		return nil, nil
	}
	key, err := json.Marshal(t.Checks)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.checks[string(key)]; ok {
		return c, nil
	}
	c, err := health.Compile(t.Checks)
	if err != nil {
		return nil, err
	}
	if len(a.checks) >= maxCompiled {
		clear(a.checks)
	}
	a.checks[string(key)] = c
	return c, nil
}

// Health of the objects as they are now, each with kstatus' word and message, and those
// of which somebody changed or deleted what we manage since it was written.
func (a *Applier) Health(ctx context.Context, t Target, refs []v1alpha1.ObjectReference) (now, drifted []v1alpha1.ObjectReference, err error) {
	p, err := a.place(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	checks, err := a.compiled(t)
	if err != nil {
		return nil, nil, refuse("%s", err)
	}
	seen := seenOf(ctx)
	for _, ref := range refs {
		live, err := find(ctx, p.reader, ref)
		if err != nil {
			return nil, nil, err
		}
		seen.note(live, false)
		switch {
		case live == nil && ref.Extra != "":
			continue // it left the set, and now the cluster
		case live == nil && ref.Owned != "" && ref.Health == health.Current && ref.Kind == "Job" && ref.Group == "batch" && ref.Message == finishedJob:
			// Its time to live is over.
		case live == nil:
			ref.Health, ref.Message = health.NotFound, "is gone"
			if ref.Owned != "" {
				drifted = append(drifted, ref)
			}
		default:
			ref.Health, ref.Message = healthOf(checks, live)
			if ref.Owned != "" && ref.Owned != unowned && ref.Extra == "" && owned(live) != ref.Owned && live.GetDeletionTimestamp() == nil {
				drifted = append(drifted, ref)
			}
		}
		now = append(now, ref)
	}
	return now, drifted, nil
}

// healthOf an object as it is live.
func healthOf(checks *health.Checks, live *unstructured.Unstructured) (word, message string) {
	word, message = checks.Compute(live)
	if withoutHealth(live) && live.GetDeletionTimestamp() == nil {
		word, message = health.Current, "its health is not asked for"
	}
	if endedJob(live) {
		message = finishedJob
	}
	return word, message
}

// finishedJob is said of a Job that has done its work and may be removed for it.
const finishedJob = "Job completed; it may be removed after its time to live"

func endedJob(live *unstructured.Unstructured) bool {
	if live.GetKind() != "Job" || live.GroupVersionKind().Group != "batch" {
		return false
	}
	_, limited, _ := unstructured.NestedInt64(live.Object, "spec", "ttlSecondsAfterFinished")
	var none *health.Checks
	done, succeeded, _ := none.Finished(live)
	return limited && done && succeeded
}

// find reads the object of a reference; nil if it, or its kind, is gone.
func find(ctx context.Context, r client.Reader, ref v1alpha1.ObjectReference) (*unstructured.Unstructured, error) {
	live := object(ref)
	err := r.Get(ctx, client.ObjectKeyFromObject(live), live)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", ref.Kind, ref.Name, err)
	}
	return live, nil
}

// Summary of an inventory: Healthy, Progressing, Degraded or Unknown, and why.
func Summary(refs []v1alpha1.ObjectReference) (worst, message string) {
	rank := map[string]int{"Healthy": 0, "Unknown": 1, "Progressing": 2, "Degraded": 3}
	worst = "Healthy"
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
		if rank[h] > rank[worst] {
			worst, message = h, fmt.Sprintf("%s/%s: %s", r.Kind, r.Name, r.Message)
		}
	}
	return worst, message
}

// Healthy says whether one object is.
func Healthy(ref v1alpha1.ObjectReference) bool { return ref.Health == health.Current }

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
