package plan

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// When a job runs, given how the jobs that it needs ended.
type When string

// The conditions. Manual is on_success, and then waits for a person; Delayed is
// on_success, and then waits for StartIn.
const (
	OnSuccess When = "on_success"
	OnFailure When = "on_failure"
	Always    When = "always"
	Manual    When = "manual"
	Delayed   When = "delayed"
	Never     When = "never"
)

// Retry of failed attempts.
type Retry struct {
	// Max number of attempts after the first.
	Max int `json:"max,omitempty"`
	// When: kinds of failure (script, timeout, system, image, lost); empty: all.
	When []string `json:"when,omitempty"`
	// ExitCodes: a script's failure is retried with these only; empty: all.
	ExitCodes []int32 `json:"exitCodes,omitempty"`
}

// Environment that a job deploys to, or stops.
type Environment struct {
	// Name and URL may refer to variables; URL also to those that the job itself reports.
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
	// Action: start (default), prepare, stop, verify, access.
	Action string `json:"action,omitempty"`
	// OnStop is the job that stops it.
	OnStop string `json:"onStop,omitempty"`
	// AutoStop stops it this long after the last deployment; zero: never.
	AutoStop metav1.Duration `json:"autoStop,omitzero"`
	// Tier: production, staging, testing, development, other.
	Tier string `json:"tier,omitempty"`
}

// AutoCancel of a run.
type AutoCancel struct {
	// OnNewCommit: conservative (default: only while nothing has started that is not
	// interruptible), interruptible (the jobs that are), none.
	OnNewCommit string `json:"onNewCommit,omitempty"`
	// OnJobFailure: none (default) or all.
	OnJobFailure string `json:"onJobFailure,omitempty"`
}
