package release

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
)

// conditionUnenforced says what of a set is applied and has no effect.
const conditionUnenforced = "Unenforced"

// advise notes, without saving it, that the bundled cluster enforces no network policies
// where that is so: somebody who writes one counts on it.
func (r *Reconciler) advise(app *v1alpha1.Application, objects []*unstructured.Unstructured) {
	var names []string
	for _, o := range objects {
		if gvk := o.GroupVersionKind(); gvk.Kind == "NetworkPolicy" && gvk.Group == "networking.k8s.io" {
			names = append(names, o.GetName())
		}
	}
	if len(names) == 0 || app.Spec.Cluster != nil || !r.PoliciesIgnored {
		meta.RemoveStatusCondition(&app.Status.Conditions, conditionUnenforced)
		return
	}
	slices.Sort(names)
	more := ""
	if n := len(names) - 10; n > 0 {
		names, more = names[:10], fmt.Sprintf(" and %d more", n)
	}
	message := fmt.Sprintf("this cluster enforces no network policies (--network-policies=false): %v%s are kept and change nothing", names, more)
	if !meta.IsStatusConditionTrue(app.Status.Conditions, conditionUnenforced) {
		r.event(app, corev1.EventTypeWarning, "NetworkPolicyNotEnforced", "%s", message)
	}
	meta.SetStatusCondition(&app.Status.Conditions, metav1.Condition{Type: conditionUnenforced, Status: metav1.ConditionTrue,
		Reason: "NetworkPolicy", Message: oneLine(message), ObservedGeneration: app.Generation})
}
