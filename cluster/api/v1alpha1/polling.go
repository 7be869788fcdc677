package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Polling is how often a repository elsewhere is looked at without being asked to.
type Polling struct {
	// Every is the time between two looks, but for failures, after which it grows.
	Every metav1.Duration `json:"every"`
	// Message says why that is so.
	// +optional
	Message string `json:"message,omitempty"`
	// Told is when a webhook last had it looked at. It is forgotten when a look finds a
	// change that no webhook told of.
	// +optional
	Told *metav1.Time `json:"told,omitempty"`
}
