package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Release is one desired value of an Application as it was rendered and tried. It
// is named <application>-<number>; its spec never changes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rel
// +kubebuilder:printcolumn:name="Application",type=string,JSONPath=`.spec.application`
// +kubebuilder:printcolumn:name="Number",type=integer,JSONPath=`.spec.number`
// +kubebuilder:printcolumn:name="Commit",type=string,JSONPath=`.spec.desired.commit`
// +kubebuilder:printcolumn:name="Result",type=string,JSONPath=`.status.result`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.spec.desired.revision`,priority=1
// +kubebuilder:printcolumn:name="Cause",type=string,JSONPath=`.spec.desired.cause`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.spec.desired.by`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Release struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a release is immutable"
	Spec   ReleaseSpec   `json:"spec"`
	Status ReleaseStatus `json:"status,omitempty"`
}

// ReleaseSpec is what was tried.
type ReleaseSpec struct {
	Application string `json:"application"`
	// Number counts from 1 within the application.
	Number  int64   `json:"number"`
	Desired Desired `json:"desired"`
	// Rendered is the digest of the rendered set, by which the set is kept.
	// +optional
	Rendered string `json:"rendered,omitempty"`
	// Subject and Author of the commit.
	// +optional
	Subject string `json:"subject,omitempty"`
	// +optional
	Author string `json:"author,omitempty"`
}

// Result of a release.
// +kubebuilder:validation:Enum=Progressing;Healthy;Failed;Interrupted
type Result string

// The results. Interrupted: a newer desired value came before this one was healthy.
const (
	ReleaseProgressing Result = "Progressing"
	ReleaseHealthy     Result = "Healthy"
	ReleaseFailed      Result = "Failed"
	ReleaseInterrupted Result = "Interrupted"
)

// ReleaseStatus is how it went.
type ReleaseStatus struct {
	// +optional
	Result Result `json:"result,omitempty"`
	// Reason in one line.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Evidence gathered before anything was undone, secrets masked.
	// +optional
	Evidence []Evidence `json:"evidence,omitempty"`
	// Unreached is not 0 where it failed on the way to the application's other cluster, and
	// says for how many releases of the same value in a row, this one included, that is so.
	// Its value is tried again by itself when that cluster answers.
	// +optional
	Unreached int32 `json:"unreached,omitempty"`
	// RolledBackTo is the release that was put back after this one failed.
	// +optional
	RolledBackTo int64 `json:"rolledBackTo,omitempty"`
	// Sync is how far a release with waves or hooks has come.
	// +optional
	Sync *SyncProgress `json:"sync,omitempty"`
	// Conflicts are fields that were taken from others.
	// +optional
	Conflicts []FieldConflict `json:"conflicts,omitempty"`
	// +optional
	StartedAt *metav1.MicroTime `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.MicroTime `json:"finishedAt,omitempty"`
}

// Evidence is one thing seen while a release failed.
type Evidence struct {
	// Kind: event, log, probe, status, diff.
	Kind string `json:"kind"`
	// Object as "Pod/hello-5d…" .
	Object string `json:"object,omitempty"`
	Text   string `json:"text"`
}

// ReleaseList is a list of Release.
//
// +kubebuilder:object:root=true
type ReleaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Release `json:"items"`
}
