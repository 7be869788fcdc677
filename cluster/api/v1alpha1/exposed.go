package v1alpha1

// ExposedArtifacts is a link on the page of a run to what one of its jobs kept.
type ExposedArtifacts struct {
	// Name is the link's text.
	Name string `json:"name"`
	// Path of the file. Empty: all that the job kept.
	// +optional
	Path string `json:"path,omitempty"`
}
