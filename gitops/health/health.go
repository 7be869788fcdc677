package health

import (
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The words of kstatus.
const (
	Current     = string(status.CurrentStatus)
	InProgress  = string(status.InProgressStatus)
	Failed      = string(status.FailedStatus)
	Terminating = string(status.TerminatingStatus)
	NotFound    = string(status.NotFoundStatus)
	Unknown     = string(status.UnknownStatus)
)

// Checks are the compiled expressions of one Application. The nil pointer has none.
type Checks struct {
	byKind map[schema.GroupKind]*check
}

// Compute says how a live object is, in kstatus' words, and why. Expressions come
// before rules, and rules before kstatus; what is being deleted, or was not looked at
// by its controller since it changed, is never healthy.
func (c *Checks) Compute(live *unstructured.Unstructured) (health, message string) {
	result, err := status.Compute(live)
	if err != nil {
		return Unknown, err.Error()
	}
	health, message = string(result.Status), result.Message
	if health == Terminating || stale(live) {
		return health, message
	}
	kind := live.GroupVersionKind().GroupKind()
	if c != nil {
		if check := c.byKind[kind]; check != nil {
			return check.eval(live)
		}
	}
	if rule := rules[kind]; rule != nil {
		if h, m, decided := rule(live); decided {
			return h, m
		}
	}
	return health, message
}

// Finished says whether a hook has done its work: a Job or Pod has ended, and an object
// of any other kind is healthy or failed.
func (c *Checks) Finished(live *unstructured.Unstructured) (done, succeeded bool, message string) {
	health, message := c.Compute(live)
	if live.GetKind() == "Pod" && live.GroupVersionKind().Group == "" {
		switch phase, _, _ := unstructured.NestedString(live.Object, "status", "phase"); {
		case phase == "Succeeded":
			return true, true, message
		case phase == "Failed":
			return true, false, message
		case health == Current && restarts(live) != "Always":
			return false, false, "runs"
		}
	}
	switch health {
	case Current:
		return true, true, message
	case Failed:
		return true, false, message
	case Terminating:
		return true, false, "was deleted before it had finished"
	}
	return false, false, message
}

func restarts(pod *unstructured.Unstructured) string {
	policy, _, _ := unstructured.NestedString(pod.Object, "spec", "restartPolicy")
	if policy == "" {
		return "Always"
	}
	return policy
}

// stale says whether the controller of the object has not seen its newest state.
func stale(live *unstructured.Unstructured) bool {
	observed, found, err := unstructured.NestedInt64(live.Object, "status", "observedGeneration")
	return found && err == nil && live.GetGeneration() > 0 && observed != live.GetGeneration()
}
