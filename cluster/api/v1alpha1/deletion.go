package v1alpha1

// The phases around the deletion of an application. They belong to no synchronisation.
const (
	PhasePreDelete  = "PreDelete"
	PhasePostDelete = "PostDelete"
)

const (
	// AnnotationDeletionHooks "skip", on an Application, deletes it without the hooks that
	// its set has for that.
	AnnotationDeletionHooks = "slipway.dev/deletion-hooks"
	// ConditionDeletionHeld says which of those hooks keeps an application from going.
	ConditionDeletionHeld = "DeletionHeld"
)

// DeletionStatus is what an application still has to do before it goes.
type DeletionStatus struct {
	// DeletionHooks: the set that is applied has hooks that run when the application is
	// deleted.
	// +optional
	DeletionHooks bool `json:"deletionHooks,omitempty"`
}
