package apply

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

// View is one object of an application: as it is, as it should be, and what differs as the
// apiserver sees it. Data of Secrets is masked.
type View struct {
	Node `json:",inline"`
	// Live is the YAML of what is; empty where it is not there.
	Live string `json:"live,omitempty"`
	// Desired is the YAML of what the set has; empty for what came of another object.
	Desired string `json:"desired,omitempty"`
	// Change that applying would make now; nil for what the set does not have.
	Change *Change `json:"change,omitempty"`
	// Problem says why it is not known what is desired.
	Problem string  `json:"problem,omitempty"`
	Events  []Event `json:"events"`
}

// Event of an object.
type Event struct {
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Count   int32  `json:"count,omitempty"`
	// Last time it was seen.
	Last metav1.Time `json:"last"`
	From string      `json:"from,omitempty"`
}

// Live reads the object of a reference and writes it down, data of Secrets masked; empty
// if it is not there.
func (a *Applier) Live(ctx context.Context, t Target, ref v1alpha1.ObjectReference) (string, error) {
	p, err := a.place(ctx, t)
	if err != nil {
		return "", err
	}
	live, err := find(ctx, p.reader, ref)
	if err != nil || live == nil {
		return "", err
	}
	return Text(live), nil
}

// Text of an object as YAML, data of Secrets masked.
func Text(o *unstructured.Unstructured) string {
	o = mask(o).DeepCopy()
	unstructured.RemoveNestedField(o.Object, "metadata", "managedFields")
	unstructured.RemoveNestedField(o.Object, "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")
	text, err := yaml.Marshal(o.Object)
	if err != nil {
		return "# " + err.Error() + "\n"
	}
	return string(text)
}
