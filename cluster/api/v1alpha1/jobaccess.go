package v1alpha1

// JobAccess says which jobs may fetch a repository with the token of their attempt, and
// start runs of it.
type JobAccess struct {
	// ReadableByJobs names the repositories of this namespace whose jobs may fetch this
	// one, as a submodule or with git; "*" is all of them. Jobs of the repository itself
	// always may. No job may push.
	// +optional
	// +kubebuilder:validation:MaxItems=200
	// +kubebuilder:validation:items:MaxLength=253
	ReadableByJobs []string `json:"readableByJobs,omitempty"`
	// TriggeredBy names repositories whose jobs may start runs of this one, whoever caused
	// theirs: a person who may not do so, or nobody that is known here, as with a poll.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	TriggeredBy []string `json:"triggeredBy,omitempty"`
}

// ReadableBy says whether jobs of the repository of that name, in the same namespace,
// may fetch this one.
func (r *Repository) ReadableBy(name string) bool {
	if name == r.Name {
		return true
	}
	for _, allowed := range r.Spec.ReadableByJobs {
		if allowed == "*" || allowed == name {
			return true
		}
	}
	return false
}
