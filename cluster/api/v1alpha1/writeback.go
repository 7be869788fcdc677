package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// WriteBack says what the server commits to the application's repository.
type WriteBack struct {
	// Images: once a release is healthy, the digests of its images are written into the
	// manifests, so that the directory alone says what runs.
	// +optional
	Images bool `json:"images,omitempty"`
	// Rollback: a pin is also committed, as a revert of Paths to what the pinned release
	// had, so that it holds after `slipway app unpin`.
	// +optional
	Rollback bool `json:"rollback,omitempty"`
	// Branch that is written to. Empty: the application's.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Branch string `json:"branch,omitempty"`
	// Files outside of source.path, such as values of Helm, in which marked lines are
	// kept up too.
	// +optional
	// +kubebuilder:validation:MaxItems=20
	Files []string `json:"files,omitempty"`
	// Paths that a revert restores. Default: source.path.
	// +optional
	// +kubebuilder:validation:MaxItems=20
	Paths []string `json:"paths,omitempty"`
}

// WrittenBack is the last commit of the server for an Application.
type WrittenBack struct {
	// Release whose images are in Git.
	// +optional
	Release int64 `json:"release,omitempty"`
	// Pin that was reverted to.
	// +optional
	Pin int64 `json:"pin,omitempty"`
	// Commit, empty where nothing had to be changed.
	// +optional
	Commit string `json:"commit,omitempty"`
	// +optional
	Branch string `json:"branch,omitempty"`
	// +optional
	At *metav1.Time `json:"at,omitempty"`
	// Message says why it could not be written.
	// +optional
	Message string `json:"message,omitempty"`
}

// ViaWriteBack is RefStatus.Via of a commit that the server itself wrote for an
// Application: no run is made of it, wherever it is seen.
const ViaWriteBack = "write-back"

// WriteBackTrailer begins the line of a commit message by which a commit of the server
// is known; the line's value is the Application.
const WriteBackTrailer = "Slipway-Application: "
