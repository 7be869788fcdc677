package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ApplicationSet makes one Application for each directory, branch or merge request of a
// repository, and takes it away again with what it stands for.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=appset
// +kubebuilder:printcolumn:name="Repository",type=string,JSONPath=`.spec.repository`
// +kubebuilder:printcolumn:name="Applications",type=integer,JSONPath=`.status.count`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
type ApplicationSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ApplicationSetSpec   `json:"spec"`
	Status ApplicationSetStatus `json:"status,omitempty"`
}

// ApplicationSetSpec says of what, and what each looks like.
type ApplicationSetSpec struct {
	// Repository in the same namespace.
	// +kubebuilder:validation:MinLength=1
	Repository string `json:"repository"`
	// Generators, each of one kind; an application that two of them ask for is made once.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Generators []Generator `json:"generators"`
	// Template of the applications. Its strings may hold placeholders such as
	// {{branch.slug}}; see docs/previews.md for all of them.
	Template ApplicationTemplate `json:"template"`
	// Limit of applications; more are not made, and the status says which. Default 50.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Limit int `json:"limit,omitempty"`
}

// Generator finds what there is to make applications of. Exactly one field is set.
type Generator struct {
	// +optional
	Directories *DirectoryGenerator `json:"directories,omitempty"`
	// +optional
	Branches *BranchGenerator `json:"branches,omitempty"`
	// +optional
	MergeRequests *MergeRequestGenerator `json:"mergeRequests,omitempty"`
}

// DirectoryGenerator finds directories of one branch that hold a file.
type DirectoryGenerator struct {
	// Branch to look at. Empty: the repository's default branch.
	// +optional
	Branch string `json:"branch,omitempty"`
	// Include: patterns of paths, "*" within one element and "**" over several, such as
	// apps/* or envs/**/shop.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Include []string `json:"include"`
	// Exclude some of them again.
	// +optional
	// +kubebuilder:validation:MaxItems=20
	Exclude []string `json:"exclude,omitempty"`
}

// BranchGenerator finds branches by patterns of their names, which "*" spans whole.
type BranchGenerator struct {
	// Include: patterns; empty means all but the default branch.
	// +optional
	// +kubebuilder:validation:MaxItems=20
	Include []string `json:"include,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxItems=20
	Exclude []string `json:"exclude,omitempty"`
}

// MergeRequestGenerator finds open merge requests (pull requests).
type MergeRequestGenerator struct {
	// Targets: patterns of the branches that they are to be merged into; empty means all.
	// +optional
	// +kubebuilder:validation:MaxItems=20
	Targets []string `json:"targets,omitempty"`
	// Forks says what becomes of requests from forks, whose files anybody may have
	// written: "never" (the default), "approved" (each commit after an approval), or
	// "always".
	// +optional
	// +kubebuilder:validation:Enum=never;approved;always
	Forks string `json:"forks,omitempty"`
}

// Words of MergeRequestGenerator.Forks.
const (
	ForksNever    = "never"
	ForksApproved = "approved"
	ForksAlways   = "always"
)

// ApplicationTemplate is an Application with placeholders.
type ApplicationTemplate struct {
	// Name of each application, such as shop-{{branch.slug}}. What is longer than 40
	// characters is cut, and a digest added. Where two would have one name, the second is
	// not made, and the status says so.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Name string `json:"name"`
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// Spec of each, as the spec of an Application; source.repository is the set's. It is
	// checked after the placeholders have been filled in, and unknown fields are refused.
	// +kubebuilder:pruning:PreserveUnknownFields
	Spec runtime.RawExtension `json:"spec"`
	// Preview gives each application a namespace of its own.
	// +optional
	Preview *Preview `json:"preview,omitempty"`
}

// Preview is a namespace that lives as long as its application.
type Preview struct {
	// Quota of each namespace, as a ResourceQuota has it, on top of those that are copied
	// from the tenant's own. Default: pods 30.
	// +optional
	Quota map[string]resource.Quantity `json:"quota,omitempty"`
}

// ApplicationSetStatus is what was made.
type ApplicationSetStatus struct {
	// Count of applications.
	// +optional
	Count int `json:"count,omitempty"`
	// Applications as they are.
	// +optional
	Applications []GeneratedApplication `json:"applications,omitempty"`
	// ForkApprovals allow one commit of a fork's merge request each.
	// +optional
	ForkApprovals []ForkApproval `json:"forkApprovals,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// GeneratedApplication is one that the set asks for, or still has to take away.
type GeneratedApplication struct {
	// Name of the Application.
	Name string `json:"name"`
	// Directory, Branch and Number say what it stands for.
	// +optional
	Directory string `json:"directory,omitempty"`
	// +optional
	Branch string `json:"branch,omitempty"`
	// +optional
	Number int64 `json:"number,omitempty"`
	// Commit that was last seen of it.
	// +optional
	Commit string `json:"commit,omitempty"`
	// Namespace of the preview, where it has one.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Phase: Pending (the message says for what), Running, Removing.
	Phase string `json:"phase"`
	// Release, Health and Sync of the application.
	// +optional
	Release int64 `json:"release,omitempty"`
	// +optional
	Health string `json:"health,omitempty"`
	// +optional
	Sync string `json:"sync,omitempty"`
	// Addresses at which it answers.
	// +optional
	Addresses []string `json:"addresses,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
}

// Phases of a GeneratedApplication.
const (
	GeneratedPending  = "Pending"
	GeneratedRunning  = "Running"
	GeneratedRemoving = "Removing"
)

// ForkApproval lets one commit of a merge request from a fork be shown.
type ForkApproval struct {
	Number int64       `json:"number"`
	Commit string      `json:"commit"`
	By     string      `json:"by"`
	At     metav1.Time `json:"at"`
}

// ApplicationSetList is a list of ApplicationSet.
//
// +kubebuilder:object:root=true
type ApplicationSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ApplicationSet `json:"items"`
}

// Labels and annotations of what an ApplicationSet makes.
const (
	// LabelApplicationSet names the set, on Applications and on namespaces of previews.
	LabelApplicationSet = "slipway.dev/application-set"
	// LabelPreviewOf on a Namespace is the tenant's namespace that it belongs to: that
	// tenant's applications may be applied there.
	LabelPreviewOf = "slipway.dev/preview-of"
	// AnnotationPreviewFor on a Namespace is the Application that it is for.
	AnnotationPreviewFor = "slipway.dev/preview-for"
	// AnnotationRef on a generated Application is the full name of the ref that it stands
	// for: a branch, or MergeRequestRef of a merge request.
	AnnotationRef = "slipway.dev/ref"
	// LabelUntrusted on an Application says that its files are a fork's: nothing of the
	// tenant's Secrets reaches them. Its value is "true".
	LabelUntrusted = "slipway.dev/untrusted"
)
