package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Environment is a place that jobs of a repository deploy to, such as "production" or
// "review/fix-1". It is made by the first job that names it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=env
// +kubebuilder:printcolumn:name="Repository",type=string,JSONPath=`.spec.repository`
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.name`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Commit",type=string,JSONPath=`.status.commit`
type Environment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an environment keeps its repository and name"
	Spec   EnvironmentSpec   `json:"spec"`
	Status EnvironmentStatus `json:"status,omitempty"`
}

// EnvironmentSpec names it.
type EnvironmentSpec struct {
	Repository string `json:"repository"`
	// Name as jobs have it; any characters that GitLab allows.
	Name string `json:"name"`
}

// EnvironmentStatus is what is deployed there.
type EnvironmentStatus struct {
	// State: available, stopping, stopped.
	// +optional
	State string `json:"state,omitempty"`
	// Tier: production, staging, testing, development, other.
	// +optional
	Tier string `json:"tier,omitempty"`
	// +optional
	URL string `json:"url,omitempty"`
	// Run and Job that deployed last with success, what they deployed and when.
	// +optional
	Run string `json:"run,omitempty"`
	// +optional
	Job string `json:"job,omitempty"`
	// +optional
	Commit string `json:"commit,omitempty"`
	// +optional
	Ref string `json:"ref,omitempty"`
	// +optional
	By string `json:"by,omitempty"`
	// +optional
	DeployedAt *metav1.MicroTime `json:"deployedAt,omitempty"`
	// OnStop is the job of Run that stops it.
	// +optional
	OnStop string `json:"onStop,omitempty"`
	// AutoStopAt is when OnStop is played by itself.
	// +optional
	AutoStopAt *metav1.Time `json:"autoStopAt,omitempty"`
	// History of deployments, newest first.
	// +optional
	// +kubebuilder:validation:MaxItems=50
	History []Deployment `json:"history,omitempty"`
}

// Deployment is one job that deployed to an environment.
type Deployment struct {
	Run    string `json:"run"`
	Job    string `json:"job"`
	Commit string `json:"commit"`
	// +optional
	Ref string `json:"ref,omitempty"`
	// +optional
	By    string           `json:"by,omitempty"`
	Phase Phase            `json:"phase"`
	At    metav1.MicroTime `json:"at"`
}

// EnvironmentList is a list of Environment.
//
// +kubebuilder:object:root=true
type EnvironmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Environment `json:"items"`
}
