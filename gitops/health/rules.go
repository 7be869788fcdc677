package health

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"slipway.dev/cluster/api/v1alpha1"
)

// rule judges a kind; decided is false where kstatus is right already.
type rule func(live *unstructured.Unstructured) (health, message string, decided bool)

var rules = map[schema.GroupKind]rule{
	{Kind: "Pod"}:                                         pod,
	{Kind: "PersistentVolumeClaim"}:                       waits,
	{Kind: "Service"}:                                     waits,
	{Kind: "ReplicationController"}:                       replicationController,
	{Group: "batch", Kind: "Job"}:                         job,
	{Group: "apiregistration.k8s.io", Kind: "APIService"}: byCondition("Available"),

	{Group: v1alpha1.GroupVersion.Group, Kind: "Application"}: application,
	{Group: v1alpha1.GroupVersion.Group, Kind: "Run"}:         run,
	{Group: v1alpha1.GroupVersion.Group, Kind: "Repository"}:  repository,

	{Group: "tekton.dev", Kind: "TaskRun"}:     byCondition("Succeeded"),
	{Group: "tekton.dev", Kind: "PipelineRun"}: byCondition("Succeeded"),
	{Group: "tekton.dev", Kind: "CustomRun"}:   byCondition("Succeeded"),
}

// waits: a claim waits for its first pod and a Service for a load balancer, and
// neither says anything about a release.
func waits(live *unstructured.Unstructured) (string, string, bool) {
	result, err := status.Compute(live)
	if err != nil || result.Status != status.InProgressStatus {
		return "", "", false
	}
	return Current, result.Message, true
}

// pod: kstatus calls one that failed current, because it has ended.
func pod(live *unstructured.Unstructured) (string, string, bool) {
	if text(live, "status", "phase") != "Failed" {
		return "", "", false
	}
	why := text(live, "status", "reason")
	if m := text(live, "status", "message"); m != "" {
		why = join(why, m)
	}
	return Failed, join("Pod failed", why), true
}

// job is done when it is complete. kstatus is content once it has started.
func job(live *unstructured.Unstructured) (string, string, bool) {
	for _, kind := range []string{"Complete", "Failed"} {
		if value, reason, message := condition(live, kind); value == "True" {
			if kind == "Failed" {
				return Failed, join("Job failed", join(reason, message)), true
			}
			return "", "", false
		}
	}
	if suspended, _, _ := unstructured.NestedBool(live.Object, "spec", "suspend"); suspended {
		return Current, "Job is suspended", true
	}
	active, _, _ := unstructured.NestedInt64(live.Object, "status", "active")
	failed, _, _ := unstructured.NestedInt64(live.Object, "status", "failed")
	return InProgress, fmt.Sprintf("Job runs. active: %d, failed: %d", active, failed), true
}

func replicationController(live *unstructured.Unstructured) (string, string, bool) {
	want, found, _ := unstructured.NestedInt64(live.Object, "spec", "replicas")
	if !found {
		want = 1
	}
	ready, _, _ := unstructured.NestedInt64(live.Object, "status", "readyReplicas")
	if ready < want {
		return InProgress, fmt.Sprintf("Ready: %d/%d", ready, want), true
	}
	return "", "", false
}

// byCondition is for kinds that end: True, False or not yet.
func byCondition(kind string) rule {
	return func(live *unstructured.Unstructured) (string, string, bool) {
		value, reason, message := condition(live, kind)
		switch value {
		case "True":
			return Current, join(reason, message), true
		case "False":
			return Failed, join(reason, message), true
		}
		return InProgress, join(join("waits for condition "+kind, reason), message), true
	}
}

// application: one of ours, in a set of another. One that nothing is desired of yet
// waits for a push, and whoever made it need not.
func application(live *unstructured.Unstructured) (string, string, bool) {
	message := text(live, "status", "message")
	switch health, sync := text(live, "status", "health"), text(live, "status", "sync"); {
	case sync == "Failed", health == "Degraded":
		return Failed, message, true
	case health == "Healthy" && (sync == "Synced" || sync == "Pinned"):
		return Current, message, true
	case health == "Unknown" && text(live, "spec", "desired", "commit") == "":
		return Current, message, true
	default:
		return InProgress, join("Application is on its way", message), true
	}
}

func run(live *unstructured.Unstructured) (string, string, bool) {
	phase := v1alpha1.Phase(text(live, "status", "phase"))
	switch {
	case phase == v1alpha1.Succeeded:
		return Current, "Run succeeded", true
	case phase.Finished():
		return Failed, join("Run is "+string(phase), text(live, "status", "message")), true
	}
	return InProgress, "Run is " + string(phase), true
}

// repository is fine as long as its remote can be read.
func repository(live *unstructured.Unstructured) (string, string, bool) {
	value, reason, message := condition(live, "Ready")
	if value == "False" {
		return Failed, join(reason, message), true
	}
	return Current, message, true
}

func condition(live *unstructured.Unstructured, kind string) (value, reason, message string) {
	list, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, item := range list {
		c, _ := item.(map[string]any)
		if c["type"] == kind {
			value, _ = c["status"].(string)
			reason, _ = c["reason"].(string)
			message, _ = c["message"].(string)
			return value, reason, message
		}
	}
	return "", "", ""
}

func text(live *unstructured.Unstructured, fields ...string) string {
	s, _, _ := unstructured.NestedString(live.Object, fields...)
	return s
}

func join(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + ": " + b
}
