package run

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// What is said of a run, and of its jobs, that something newer ended begins so.
const (
	supersededPrefix = "superseded by run "
	requestPrefix    = "merge request "
)

// byOvertaking says whether that is why.
func byOvertaking(why string) bool {
	return strings.HasPrefix(why, supersededPrefix) || strings.HasPrefix(why, requestPrefix)
}

// decide applies what the plan says to the status. A job that could start does if
// grant, asked in order, says so; else it waits with the reason that grant left in
// its message. overtaken says why the run is not needed any more, if it is not. The
// answer is when to look again, zero: when something changes.
func decide(run *v1alpha1.Run, p *plan.Plan, at time.Time, overtaken string, grant func(*v1alpha1.JobStatus, *plan.Job) bool) (again time.Time) {
	jobs := make(map[string]*plan.Job, len(p.Jobs))
	for i := range p.Jobs {
		jobs[p.Jobs[i].Name] = &p.Jobs[i]
	}
	status := make(map[string]*v1alpha1.JobStatus, len(run.Status.Jobs))
	states := make(map[string]plan.State, len(run.Status.Jobs))
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		job := jobs[js.Name]
		status[js.Name] = js
		states[js.Name] = plan.State{
			Phase: js.Phase, ExitCode: js.ExitCode,
			Played: js.By != "" && (js.Confirmation == "" || js.ApprovedBy != ""),
			Held:   js.Manual && job.When == plan.Delayed,
			Due:    js.StartAt != nil && !at.Before(js.StartAt.Time),
		}
	}
	cancel, why := run.Spec.Cancel, ""
	if !cancel && p.AutoCancel.OnJobFailure == "all" && failed(p, states) {
		cancel, why = true, "canceled because another job failed"
	}
	if !cancel && overtaken != "" {
		why = overtaken
		cancel = supersede(run, p, jobs, states, why)
	}
	if cancel {
		for _, js := range status {
			if js.Phase == v1alpha1.Running && js.StoppingAt == nil {
				js.StoppingAt, js.Message = now(), why
			}
		}
	}
	d := p.Next(states, cancel)
	active := false
	for i := range run.Status.Jobs {
		active = active || run.Status.Jobs[i].Phase == v1alpha1.Running
	}
	starts := 0
	for _, name := range d.Start {
		js, job := status[name], jobs[name]
		if !grant(js, job) {
			if js.QueuedAt == nil {
				js.QueuedAt = now()
			}
			continue
		}
		starts++
		begin(run, js, job)
	}
	for _, s := range d.Skip {
		end(status[s.Job], v1alpha1.Skipped, "", s.Reason)
		status[s.Job].FinishedAt = nil
	}
	for _, name := range d.Cancel {
		end(status[name], v1alpha1.Canceled, "", cmp.Or(why, canceledBy(run, status[name])))
		status[name].FinishedAt = nil
	}
	for _, name := range d.Manual {
		status[name].Message = manualMessage(status[name])
	}
	for _, name := range d.Delayed {
		js := status[name]
		if js.StartAt == nil {
			t := startAt(at, jobs[name].StartIn.Duration)
			js.StartAt = &t
			js.Message = "starts at " + t.UTC().Format("15:04:05 MST")
		}
		if again.IsZero() || js.StartAt.Time.Before(again) {
			again = js.StartAt.Time
		}
	}
	settle(run, d, active || starts > 0, starts < len(d.Start))
	if run.Status.Phase == v1alpha1.Canceled && run.Status.Message == "" && overtaken != "" {
		run.Status.Message = overtaken
	}
	return again
}

// supersede says whether all of a run is to be canceled because it was overtaken:
// it is where nothing has begun that may not be interrupted. Where the plan says so,
// only the jobs that may be interrupted are, here and now.
func supersede(run *v1alpha1.Run, p *plan.Plan, jobs map[string]*plan.Job, states map[string]plan.State, why string) bool {
	switch p.AutoCancel.OnNewCommit {
	case "none":
		return false
	case "interruptible":
		for i := range run.Status.Jobs {
			js := &run.Status.Jobs[i]
			switch {
			case !jobs[js.Name].Interruptible || js.StoppingAt != nil:
			case js.Phase == v1alpha1.Running:
				js.StoppingAt, js.Message = now(), why
			case js.Phase == v1alpha1.Pending:
				end(js, v1alpha1.Canceled, "", why)
				states[js.Name] = plan.State{Phase: v1alpha1.Canceled}
			}
		}
		return false
	}
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		job := jobs[js.Name]
		if js.Attempt > 0 && !job.Interruptible && job.Trigger == nil { // a child speaks for itself
			return false
		}
	}
	return true
}

// settle the phase of the run.
func settle(run *v1alpha1.Run, d plan.Decision, active, queued bool) {
	run.Status.Message = d.Message
	if !queued {
		run.Status.Queued = ""
	}
	if d.Phase.Finished() {
		if run.Status.Phase != d.Phase || run.Status.FinishedAt == nil {
			finish(run, d.Phase, d.Message)
		}
		return
	}
	phase := d.Phase
	if queued && !active && run.Status.Phase != v1alpha1.Running {
		phase = v1alpha1.Pending // it has no job yet that runs, and waits for its turn
	}
	run.Status.Phase, run.Status.FinishedAt = phase, nil
	if phase == v1alpha1.Running && run.Status.StartedAt == nil {
		run.Status.StartedAt = now()
	}
}

// failed says whether a job failed that may not.
func failed(p *plan.Plan, states map[string]plan.State) bool {
	for i := range p.Jobs {
		j := &p.Jobs[i]
		if s := states[j.Name]; s.Phase == v1alpha1.Failed && !j.Allowed(s) {
			return true
		}
	}
	return false
}

func manualMessage(js *v1alpha1.JobStatus) string {
	switch {
	case js.Confirmation != "" && js.ApprovedBy == "":
		return fmt.Sprintf("waits until somebody approves it: %s", js.Confirmation)
	case js.ApprovedBy != "":
		return fmt.Sprintf("approved by %s; waits until somebody starts it", js.ApprovedBy)
	}
	return "waits until somebody starts it"
}
