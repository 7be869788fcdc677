package v1alpha1

// Stop ends one rollout by a person's word: its release fails, and what was healthy is put
// back. It says nothing about later releases.
type Stop struct {
	// Release that goes no further.
	// +kubebuilder:validation:Minimum=1
	Release int64 `json:"release"`
	// By is the person who said so.
	// +optional
	By string `json:"by,omitempty"`
}
