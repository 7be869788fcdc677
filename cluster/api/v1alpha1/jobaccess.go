package v1alpha1

import "slices"

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
	// TriggeredBy names the repositories of this namespace whose jobs may start runs of this
	// one, whoever caused theirs: a person who may not do so, or nobody that is known here,
	// as with a poll; "*" is all of them.
	// +optional
	// +kubebuilder:validation:MaxItems=200
	// +kubebuilder:validation:items:MaxLength=253
	TriggeredBy []string `json:"triggeredBy,omitempty"`
}

// ReadableBy says whether jobs of the repository of that name, in the same namespace,
// may fetch this one.
func (r *Repository) ReadableBy(name string) bool {
	if name == r.Name {
		return true
	}
	return among(r.Spec.ReadableByJobs, name)
}

// Triggerable says whether jobs of the repository of that name, in the same namespace, may
// start runs of this one whoever caused theirs.
func (r *Repository) Triggerable(name string) bool { return among(r.Spec.TriggeredBy, name) }

func among(allowed []string, name string) bool {
	return slices.Contains(allowed, "*") || slices.Contains(allowed, name)
}
