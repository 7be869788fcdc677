package plan

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
	// ExitCodes that are retried, beside the kinds in When; empty: all, unless When says which.
	ExitCodes []int32 `json:"exitCodes,omitempty"`
}

// Allows says whether an attempt that failed for reason, with this exit code if there
// was one, is followed by another after done attempts. Where both kinds and exit codes
// are given, either is enough.
func (r Retry) Allows(done int, reason string, code *int32) bool {
	if done > r.Max {
		return false
	}
	if len(r.When) == 0 && len(r.ExitCodes) == 0 {
		return true
	}
	return slices.Contains(r.When, reason) || code != nil && slices.Contains(r.ExitCodes, *code)
}

// Behind are the jobs that wait for the one named, directly or through others, in plan order.
func (p *Plan) Behind(name string) []string {
	order, err := p.Order()
	if err != nil {
		return nil
	}
	behind := map[string]bool{name: true}
	for _, i := range order {
		for _, n := range p.Jobs[i].Needs {
			if behind[n.Job] {
				behind[p.Jobs[i].Name] = true
			}
		}
	}
	var names []string
	for i := range p.Jobs {
		if n := p.Jobs[i].Name; n != name && behind[n] {
			names = append(names, n)
		}
	}
	return names
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
