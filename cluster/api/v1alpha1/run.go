package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Run is one execution of a pipeline: its cause and the state of each job. The
// compiled Plan is an artifact beside it. Every attempt of a job is a Tekton
// TaskRun named <run>-<job>-<attempt>.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Repository",type=string,JSONPath=`.spec.repository`
// +kubebuilder:printcolumn:name="Ref",type=string,JSONPath=`.spec.ref`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Run struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:validation:XValidation:rule="self.repository == oldSelf.repository && self.commit == oldSelf.commit && self.ref == oldSelf.ref",message="what a run runs is immutable"
	Spec   RunSpec   `json:"spec"`
	Status RunStatus `json:"status,omitempty"`
}

// RunSpec says what to run. Only Cancel changes after creation.
type RunSpec struct {
	Repository string `json:"repository"`
	// Commit is the full hexadecimal object name.
	Commit string `json:"commit"`
	// Ref is the full name of the branch or tag.
	Ref string `json:"ref"`
	// Before is the commit the ref had before the push, empty for a new ref.
	// +optional
	Before string `json:"before,omitempty"`
	// Sequence is the number of the ref update in its repository.
	Sequence int64 `json:"sequence"`
	// Cause: push, manual, rerun.
	Cause string `json:"cause"`
	// +optional
	By string `json:"by,omitempty"`
	// Variables given by hand; never secrets.
	// +optional
	Variables map[string]string `json:"variables,omitempty"`
	// Cancel asks to stop what runs and to start nothing more.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
}

// Phase of a Run or of one of its jobs.
// +kubebuilder:validation:Enum=Pending;Running;Succeeded;Failed;Canceled;Skipped
type Phase string

// The phases. Skipped is a job's only.
const (
	Pending   Phase = "Pending"
	Running   Phase = "Running"
	Succeeded Phase = "Succeeded"
	Failed    Phase = "Failed"
	Canceled  Phase = "Canceled"
	Skipped   Phase = "Skipped"
)

// Finished says whether nothing more will happen.
func (p Phase) Finished() bool { return p != "" && p != Pending && p != Running }

// RunStatus is the state of the run and of each job.
type RunStatus struct {
	// +optional
	Phase Phase `json:"phase,omitempty"`
	// Message says why, in one line, where the phase does not.
	// +optional
	Message string `json:"message,omitempty"`
	// Problems are what the pipeline file was refused for.
	// +optional
	Problems []Problem `json:"problems,omitempty"`
	// Pipeline is the file that was compiled, or "default".
	// +optional
	Pipeline string `json:"pipeline,omitempty"`
	// +optional
	StartedAt *metav1.MicroTime `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.MicroTime `json:"finishedAt,omitempty"`
	// Jobs in plan order.
	// +optional
	// +listType=map
	// +listMapKey=name
	Jobs []JobStatus `json:"jobs,omitempty"`
}

// Problem is one fault of an input file, at a place.
type Problem struct {
	File string `json:"file,omitempty"`
	// Line and Column count from 1; 0 where unknown.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Rule is a stable identifier such as "unknown-key".
	Rule    string `json:"rule,omitempty"`
	Message string `json:"message"`
	// Hint says what to do.
	Hint string `json:"hint,omitempty"`
}

// JobStatus is the state of one job of the plan.
type JobStatus struct {
	// Name as the pipeline file has it.
	Name  string `json:"name"`
	Stage string `json:"stage,omitempty"`
	// Needs are the names of the jobs it waits for; the edges of the graph.
	// +optional
	Needs []string `json:"needs,omitempty"`
	Phase Phase    `json:"phase"`
	// +optional
	Message string `json:"message,omitempty"`
	// AllowFailure: Failed does not fail the run.
	// +optional
	AllowFailure bool `json:"allowFailure,omitempty"`
	// Manual: waits until a person plays it.
	// +optional
	Manual bool `json:"manual,omitempty"`
	// Attempt counts from 1; 0 before the first.
	// +optional
	Attempt int `json:"attempt,omitempty"`
	// TaskRun of the newest attempt.
	// +optional
	TaskRun string `json:"taskRun,omitempty"`
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// +optional
	StartedAt *metav1.MicroTime `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.MicroTime `json:"finishedAt,omitempty"`
	// Images that the job built and pushed.
	// +optional
	Images []Image `json:"images,omitempty"`
	// Artifacts that the job kept.
	// +optional
	Artifacts bool `json:"artifacts,omitempty"`
}

// Image is a repository and the digest that was pushed to it or is deployed from it.
type Image struct {
	// Name without tag or digest, as "registry.slipway.internal/default/hello".
	Name string `json:"name"`
	// Digest as "sha256:…".
	Digest string `json:"digest"`
}

// RunList is a list of Run.
//
// +kubebuilder:object:root=true
type RunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Run `json:"items"`
}
