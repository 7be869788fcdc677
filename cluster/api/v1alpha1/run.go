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

	// +kubebuilder:validation:XValidation:rule="self.repository == oldSelf.repository && self.commit == oldSelf.commit && self.ref == oldSelf.ref && has(self.parent) == has(oldSelf.parent) && (!has(self.parent) || self.parent == oldSelf.parent)",message="what a run runs is immutable"
	Spec   RunSpec   `json:"spec"`
	Status RunStatus `json:"status,omitempty"`
}

// RunSpec says what to run. Only Cancel and Actions change after creation.
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
	// Cause: push, manual, api, schedule, trigger, rerun, merge-request, or, where a job of
	// another run started it, child or pipeline (of another repository).
	Cause string `json:"cause"`
	// +optional
	By string `json:"by,omitempty"`
	// Variables given by hand; never secrets.
	// +optional
	Variables map[string]string `json:"variables,omitempty"`
	// Cancel asks to stop what runs and to start nothing more.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
	// Inputs of the pipeline file, each as JSON.
	// +optional
	Inputs map[string]string `json:"inputs,omitempty"`
	// Parent is the job of another run that started this one.
	// +optional
	Parent *RunParent `json:"parent,omitempty"`
	// Forwarded are the variables that it gave to this one.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	Forwarded []ForwardedVariable `json:"forwarded,omitempty"`
	// RerunOf is the run that this one does again; a child has that of its parent.
	// +optional
	RerunOf *Rerun `json:"rerunOf,omitempty"`
	// Target is the branch that Ref is to be merged into, where the cause is merge-request.
	// +optional
	Target string `json:"target,omitempty"`
	// MergeRequest of a forge that it is a run of.
	// +optional
	MergeRequest *RunMergeRequest `json:"mergeRequest,omitempty"`
	// Schedule that started it.
	// +optional
	Schedule string `json:"schedule,omitempty"`
	// Actions that people took on jobs, oldest first; only ever added to. The last 1100
	// are for cancels alone.
	// +optional
	// +kubebuilder:validation:MaxItems=3100
	Actions []RunAction `json:"actions,omitempty"`
}

// RunAction is one thing that a person asked of a job.
type RunAction struct {
	// Verb: play, unplay, approve (this job or, where Job is empty, the run), cancel,
	// retry (this job and what was skipped for it), from (this job and all behind it).
	// +kubebuilder:validation:Enum=play;unplay;approve;cancel;retry;from
	Verb string `json:"verb"`
	// Job by name. Empty with retry: every job that failed or was canceled.
	// +optional
	Job string `json:"job,omitempty"`
	// +optional
	By string           `json:"by,omitempty"`
	At metav1.MicroTime `json:"at"`
	// Variables of the attempt that a play starts; never secrets.
	// +optional
	Variables map[string]string `json:"variables,omitempty"`
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
	// Queued says why nothing starts yet: position and reason, such as
	// "3rd in the queue: repository shop runs 2 of 2".
	// +optional
	Queued string `json:"queued,omitempty"`
	// Approval that the run needs, where it needs one.
	// +optional
	Approval *RunApproval `json:"approval,omitempty"`
	// Handled is how many of spec.actions have taken effect.
	// +optional
	Handled int `json:"handled,omitempty"`
	// Children are runs that jobs of this one started.
	// +optional
	Children []string `json:"children,omitempty"`
	// Coverage in per cent, the mean of the jobs that have one.
	// +optional
	Coverage string `json:"coverage,omitempty"`
	// Tests are the counts of all test reports.
	// +optional
	Tests *TestCounts `json:"tests,omitempty"`
	// Reported is what the forge was told of the run last.
	// +optional
	Reported *Reported `json:"reported,omitempty"`
	// Jobs in plan order.
	// +optional
	// +listType=map
	// +listMapKey=name
	Jobs []JobStatus `json:"jobs,omitempty"`
}

// Reported is a commit status that a forge has taken.
type Reported struct {
	// State in the forge's words.
	State       string `json:"state"`
	Description string `json:"description,omitempty"`
	// To is where: the forge's host, the project and the name of the status.
	To string           `json:"to"`
	At metav1.MicroTime `json:"at"`
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
	// ArtifactsExpire is when they are deleted; absent: never.
	// +optional
	ArtifactsExpire *metav1.Time `json:"artifactsExpire,omitempty"`
	// Exposed is the link on the run's page to what the job kept.
	// +optional
	Exposed *ExposedArtifacts `json:"exposed,omitempty"`
	// StartAt is when a delayed job starts.
	// +optional
	StartAt *metav1.Time `json:"startAt,omitempty"`
	// By is who played or retried it last.
	// +optional
	By string `json:"by,omitempty"`
	// Played is which of spec.actions, counted from 1, played it; its variables are those
	// of the attempt. 0: none did.
	// +optional
	Played int `json:"played,omitempty"`
	// Environment as it was named for this job.
	// +optional
	Environment string `json:"environment,omitempty"`
	// EnvironmentURL as it was reported.
	// +optional
	EnvironmentURL string `json:"environmentURL,omitempty"`
	// Group is the name that copies of one job share.
	// +optional
	Group string `json:"group,omitempty"`
	// Child is the run that a trigger job started.
	// +optional
	Child string `json:"child,omitempty"`
	// Coverage in per cent, from the log.
	// +optional
	Coverage string `json:"coverage,omitempty"`
	// +optional
	Tests *TestCounts `json:"tests,omitempty"`
	// Reason of a failure: script, timeout, system, image, lost, child.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Attempts before this one, oldest first; the last ones where there were many.
	// +optional
	Attempts []Attempt `json:"attempts,omitempty"`
	// PullWay is which of the ways to pull its images the newest attempt takes, from 0; the
	// attempts before it that had another were for want of an image.
	// +optional
	PullWay int `json:"pullWay,omitempty"`
	// QueuedAt is since when nothing but a limit or its resource group holds it back.
	// +optional
	QueuedAt *metav1.MicroTime `json:"queuedAt,omitempty"`
	// StoppingAt is when this attempt was asked to stop; it is over when its after_script is.
	// +optional
	StoppingAt *metav1.MicroTime `json:"stoppingAt,omitempty"`
	// ResourceGroup that only one job of the repository has at a time.
	// +optional
	ResourceGroup string `json:"resourceGroup,omitempty"`
	// Confirmation is what somebody has to approve before it starts.
	// +optional
	Confirmation string `json:"confirmation,omitempty"`
	// ApprovedBy is who did.
	// +optional
	ApprovedBy string `json:"approvedBy,omitempty"`
	// +optional
	ApprovedAt *metav1.MicroTime `json:"approvedAt,omitempty"`
}

// Attempt is one that is over.
type Attempt struct {
	Number int   `json:"number"`
	Phase  Phase `json:"phase"`
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	Reason string `json:"reason,omitempty"`
	// Child is the run that it started.
	// +optional
	Child string `json:"child,omitempty"`
	// +optional
	StartedAt *metav1.MicroTime `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.MicroTime `json:"finishedAt,omitempty"`
}

// TestCounts of one or many test reports.
type TestCounts struct {
	Total   int `json:"total"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	Errors  int `json:"errors"`
	// Seconds that the tests took together.
	Seconds string `json:"seconds,omitempty"`
}

// Image is a repository and the digest that was pushed to it or is deployed from it.
type Image struct {
	// Name without tag or digest, as "registry.slipway.internal/default/hello".
	Name string `json:"name"`
	// Digest as "sha256:…".
	Digest string `json:"digest"`
	// Commit that it was built from, and Run that built it.
	// +optional
	Commit string `json:"commit,omitempty"`
	// +optional
	Run string `json:"run,omitempty"`
}

// RunList is a list of Run.
//
// +kubebuilder:object:root=true
type RunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Run `json:"items"`
}
