package plan

import (
	"fmt"
	"slices"

	"slipway.dev/cluster/api/v1alpha1"
)

// State of one job, as far as deciding needs it. The zero value is a job that has
// not been looked at yet.
type State struct {
	// Phase; Failed means that no retry is left.
	Phase v1alpha1.Phase
	// ExitCode of the last attempt, where there was one.
	ExitCode *int32
	// Played: a person started this manual or delayed job, and approved it where that is asked for.
	Played bool
	// Held: the delayed job was made one that waits for a person.
	Held bool
	// Due: the delayed job has waited long enough.
	Due bool
}

// Skip is a job that will not run.
type Skip struct {
	Job    string
	Reason string
}

// Decision is what to do next. All lists are in an order in which needs come first.
type Decision struct {
	// Start these jobs now.
	Start []string
	// Skip these jobs: set them Skipped.
	Skip []Skip
	// Cancel these jobs that never started: set them Canceled.
	Cancel []string
	// Manual jobs that could start and wait for a person.
	Manual []string
	// Delayed jobs that could start and wait for their time.
	Delayed []string
	// Phase of the run once the above is done. A finished run goes back to Running
	// when a manual job that it did not wait for is played.
	Phase v1alpha1.Phase
	// Message in one line where Phase does not say all.
	Message string
}

// Next decides from the phases of the jobs by name, which jobs may start now, which
// are skipped, and the phase of the run. It changes nothing and its answer is whole:
// called again with the answer applied and nothing else changed, it adds nothing.
//
// A job waits until every job that it needs has ended. Then on_success runs if none
// failed, on_failure if one failed, always in any case; a failure that is allowed
// counts as success. A skipped need is passed over by a job that waits for stages,
// and makes a job with chosen needs skipped too. A manual job that may fail is not
// waited for by stages; one that may not holds back everything behind it. A delayed
// job is waited for, whether or not its time has begun.
func (p *Plan) Next(states map[string]State, cancel bool) Decision {
	var d Decision
	order, err := p.Order()
	if err != nil {
		return Decision{Phase: v1alpha1.Failed, Message: err.Error()}
	}
	now := make([]v1alpha1.Phase, len(p.Jobs))
	idle := make([]bool, len(p.Jobs)) // waits for a person, and the run does not
	index := p.index()
	for _, i := range order {
		j := &p.Jobs[i]
		s := states[j.Name]
		now[i] = s.Phase
		if s.Phase != "" && s.Phase != v1alpha1.Pending {
			continue
		}
		now[i] = v1alpha1.Pending
		if cancel {
			now[i] = v1alpha1.Canceled // also what was to run in any case: somebody wants an end
			d.Cancel = append(d.Cancel, j.Name)
			continue
		}
		switch v, reason := p.judge(j, states, now, idle, index); v {
		case skip:
			now[i] = v1alpha1.Skipped
			d.Skip = append(d.Skip, Skip{Job: j.Name, Reason: reason})
		case start:
			if (j.When == Manual || s.Held) && !s.Played {
				idle[i] = j.AllowFailure
				d.Manual = append(d.Manual, j.Name)
				continue
			}
			if j.When == Delayed && !s.Played && !s.Due {
				d.Delayed = append(d.Delayed, j.Name)
				continue
			}
			now[i] = v1alpha1.Running
			d.Start = append(d.Start, j.Name)
		case waitIdle:
			idle[i] = true
		}
	}
	d.Phase, d.Message = p.phase(states, now, idle, d)
	return d
}

type verdict int

const (
	wait verdict = iota
	waitIdle
	start
	skip
)

// judge one job whose needs have been judged already.
func (p *Plan) judge(j *Job, states map[string]State, now []v1alpha1.Phase, idle []bool, index map[string]int) (verdict, string) {
	if j.When == Never {
		return skip, "it never runs"
	}
	var failed, skipped string
	waits, idles := false, false
	for _, n := range j.Needs {
		i, ok := index[n.Job]
		if !ok {
			continue
		}
		need := &p.Jobs[i]
		switch now[i] {
		case v1alpha1.Succeeded:
		case v1alpha1.Skipped:
			if !j.ByStage && skipped == "" {
				skipped = need.Name
			}
		case v1alpha1.Failed, v1alpha1.Canceled:
			if failed == "" && !need.Allowed(states[need.Name]) {
				failed = need.Name
			}
		default:
			if !idle[i] {
				waits = true
			} else if !j.ByStage {
				idles = true
			}
		}
	}
	switch {
	case waits:
		return wait, ""
	case j.When == Always:
		return start, ""
	case j.When == OnFailure && failed != "":
		return start, ""
	case j.When == OnFailure && idles:
		return waitIdle, ""
	case j.When == OnFailure:
		return skip, "no job before it failed"
	case failed != "":
		return skip, fmt.Sprintf("job %q did not succeed", failed)
	case skipped != "":
		return skip, fmt.Sprintf("job %q was skipped", skipped)
	case idles:
		return waitIdle, ""
	}
	return start, ""
}

// Allowed says whether a failure of the job with this state counts as success.
// Being canceled is never a success that a plan asked for, but it is no failure
// of the run either where the job may fail.
func (j *Job) Allowed(s State) bool {
	if len(j.AllowExitCodes) > 0 {
		return s.ExitCode != nil && slices.Contains(j.AllowExitCodes, *s.ExitCode)
	}
	return j.AllowFailure
}

func (p *Plan) phase(states map[string]State, now []v1alpha1.Phase, idle []bool, d Decision) (v1alpha1.Phase, string) {
	var failed, canceled, blocked string
	active, begun, open := false, false, false
	for i := range p.Jobs {
		j := &p.Jobs[i]
		switch now[i] {
		case v1alpha1.Pending:
			open = open || !idle[i]
			continue
		case v1alpha1.Running:
			active = true
		case v1alpha1.Failed:
			if failed == "" && !j.Allowed(states[j.Name]) {
				failed = j.Name
			}
		case v1alpha1.Canceled:
			if canceled == "" && !j.AllowFailure || len(d.Cancel) > 0 {
				canceled = j.Name
			}
		}
		begun = begun || now[i] != v1alpha1.Skipped
	}
	for _, name := range d.Manual {
		if j := p.Job(name); !j.AllowFailure && blocked == "" {
			blocked = name
		}
	}
	switch {
	case active:
		return v1alpha1.Running, ""
	case open && blocked != "":
		return v1alpha1.Running, fmt.Sprintf("waits until somebody starts job %q", blocked)
	case open && begun:
		return v1alpha1.Running, ""
	case open:
		return v1alpha1.Pending, ""
	case failed != "":
		return v1alpha1.Failed, fmt.Sprintf("job %q failed", failed)
	case canceled != "":
		return v1alpha1.Canceled, ""
	}
	return v1alpha1.Succeeded, ""
}
