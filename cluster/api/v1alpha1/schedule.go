package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Schedule starts runs of a repository at given times.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Repository",type=string,JSONPath=`.spec.repository`
// +kubebuilder:printcolumn:name="Ref",type=string,JSONPath=`.spec.ref`
// +kubebuilder:printcolumn:name="Cron",type=string,JSONPath=`.spec.cron`
// +kubebuilder:printcolumn:name="Next",type=string,JSONPath=`.status.next`
type Schedule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ScheduleSpec   `json:"spec"`
	Status ScheduleStatus `json:"status,omitempty"`
}

// ScheduleSpec says when and what.
type ScheduleSpec struct {
	Repository string `json:"repository"`
	// Ref is a full name of a branch or tag; empty: the default branch.
	// +optional
	Ref string `json:"ref,omitempty"`
	// Cron has five fields: minute, hour, day of month, month, day of week.
	Cron string `json:"cron"`
	// TimeZone is an IANA name; empty: UTC.
	// +optional
	TimeZone string `json:"timeZone,omitempty"`
	// +optional
	Variables map[string]string `json:"variables,omitempty"`
	// +optional
	Inputs map[string]string `json:"inputs,omitempty"`
	// +optional
	Suspend bool `json:"suspend,omitempty"`
	// By is who made it; its runs are theirs.
	// +optional
	By string `json:"by,omitempty"`
}

// ScheduleStatus is what came of it.
type ScheduleStatus struct {
	// Last time that was due and acted on.
	// +optional
	Last *metav1.Time `json:"last,omitempty"`
	// +optional
	LastRun string `json:"lastRun,omitempty"`
	// +optional
	Next *metav1.Time `json:"next,omitempty"`
	// ObservedGeneration of the spec that Next was worked out for.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Message says why nothing can be started.
	// +optional
	Message string `json:"message,omitempty"`
}

// ScheduleList is a list of Schedule.
//
// +kubebuilder:object:root=true
type ScheduleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Schedule `json:"items"`
}
