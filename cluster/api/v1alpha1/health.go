package v1alpha1

// HealthCheck says with CEL expressions how objects of a kind are. Each sees the object
// as self, and its metadata, spec and status by these names:
//
//	healthChecks:
//	- group: example.com
//	  kind: Database
//	  healthy: status.phase == "Ready"
//	  failed: status.phase == "Broken"
//	  message: status.reason
//
// Failed is asked first, then progressing, then healthy; if none holds, the object is
// on its way. What an expression cannot evaluate does not hold.
type HealthCheck struct {
	// Group of the kind; empty is the core group.
	// +optional
	Group string `json:"group,omitempty"`
	// +kubebuilder:validation:MinLength=1
	Kind string `json:"kind"`
	// Healthy is true when the object does what it should.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Healthy string `json:"healthy"`
	// Progressing is true when it is on its way.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Progressing string `json:"progressing,omitempty"`
	// Failed is true when waiting does not help.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Failed string `json:"failed,omitempty"`
	// Message is a text about the object.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
}
