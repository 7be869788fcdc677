package run

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// Verbs of spec.actions.
const (
	verbPlay    = "play"
	verbUnplay  = "unplay"
	verbApprove = "approve"
	verbCancel  = "cancel"
	verbRetry   = "retry"
	verbFrom    = "from"
)

// somebody is who did what nobody is named for.
const somebody = "somebody"

// handle lets those of spec.actions take effect that have not yet, in order. What
// they do and that they did it are one write of the status, so that none is lost or
// repeated. An action that no longer fits (its job runs meanwhile) does nothing.
func handle(run *v1alpha1.Run, p *plan.Plan) {
	for ; run.Status.Handled < len(run.Spec.Actions); run.Status.Handled++ {
		take(run, p, &run.Spec.Actions[run.Status.Handled])
	}
}

func take(run *v1alpha1.Run, p *plan.Plan, a *v1alpha1.RunAction) {
	by := a.By
	if by == "" {
		by = somebody
	}
	if a.Verb == verbRetry && a.Job == "" {
		retryFailed(run, p, by)
		return
	}
	js, job := jobStatus(run, a.Job), p.Job(a.Job)
	if js == nil || job == nil || fits(run, p, js, job, a.Verb) != "" {
		return
	}
	switch a.Verb {
	case verbPlay:
		js.By, js.StartAt, js.Message = by, nil, ""
		js.Played = run.Status.Handled + 1
	case verbUnplay:
		js.By, js.StartAt, js.QueuedAt, js.Message = "", nil, nil, ""
		js.ApprovedBy, js.ApprovedAt = "", nil
		js.Manual, js.Played = true, 0
	case verbApprove:
		js.ApprovedBy, js.ApprovedAt = by, &a.At
	case verbCancel:
		if js.Phase == v1alpha1.Running {
			js.StoppingAt = now()
		} else {
			end(js, v1alpha1.Canceled, "", "canceled by "+by)
		}
	case verbRetry, verbFrom:
		retryJob(run, p, js, job, by)
		for _, name := range p.Behind(js.Name) {
			renew(jobStatus(run, name), p.Job(name), a.Verb == verbFrom)
		}
	}
}

// fits says why an action cannot be taken, in words for a person; empty: it can.
func fits(run *v1alpha1.Run, p *plan.Plan, js *v1alpha1.JobStatus, job *plan.Job, verb string) string {
	startable := js.Phase == v1alpha1.Pending && (js.Manual || job.When == plan.Delayed)
	switch {
	case run.Spec.Cancel && !run.Status.Phase.Finished():
		return "the run is being canceled"
	case verb == verbPlay && !startable:
		return "it is no manual or delayed job that waits"
	case verb == verbPlay && js.By != "":
		return "it was started already, by " + js.By
	case verb == verbUnplay && !startable:
		return "it does not wait, or nobody can start it by hand"
	case verb == verbApprove && js.Confirmation == "":
		return "it asks for no approval"
	case verb == verbApprove && js.Phase != v1alpha1.Pending:
		return "it does not wait"
	case verb == verbApprove && js.ApprovedBy != "":
		return "it was approved already, by " + js.ApprovedBy
	case verb == verbCancel && js.Phase.Finished():
		return "it is over"
	case verb == verbCancel && js.StoppingAt != nil:
		return "it is being canceled"
	case (verb == verbRetry || verb == verbFrom) && !js.Phase.Finished():
		return "it is not over"
	case verb == verbRetry && js.Phase == v1alpha1.Skipped:
		return "it was skipped; retry the job that it was skipped for"
	case (verb == verbRetry || verb == verbFrom) && slices.ContainsFunc(p.Behind(js.Name), func(name string) bool { return jobStatus(run, name).Phase == v1alpha1.Running }):
		return "a job behind it runs; cancel that first"
	}
	return ""
}

func retryFailed(run *v1alpha1.Run, p *plan.Plan, by string) {
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		if js.Phase != v1alpha1.Failed && js.Phase != v1alpha1.Canceled || js.Phase == v1alpha1.Failed && js.AllowFailure {
			continue
		}
		retryJob(run, p, js, p.Job(js.Name), by)
		for _, name := range p.Behind(js.Name) {
			renew(jobStatus(run, name), p.Job(name), false)
		}
	}
}

// retryJob puts a job back. One that a person asks for again by name need not be
// played once more; one that was never begun waits as it did.
func retryJob(run *v1alpha1.Run, p *plan.Plan, js *v1alpha1.JobStatus, job *plan.Job, by string) {
	begun := js.Attempt > 0
	again(js)
	js.PullWay = 0
	js.AllowFailure = job.AllowFailure
	if begun {
		js.By = by
	}
}

// renew a job behind one that is done again: what was skipped for it, or all.
func renew(js *v1alpha1.JobStatus, job *plan.Job, all bool) {
	if js.Phase == v1alpha1.Pending || js.Phase == v1alpha1.Running || !all && js.Phase != v1alpha1.Skipped {
		return
	}
	again(js)
	js.PullWay = 0
	js.By, js.ApprovedBy, js.ApprovedAt, js.Played = "", "", nil, 0
	js.Manual, js.AllowFailure = job.When == plan.Manual, job.AllowFailure
}

// startAt is when a delayed job starts, in the precision that the API keeps.
func startAt(from time.Time, in time.Duration) metav1.Time {
	return metav1.NewTime(from.Add(in + time.Second - 1).Truncate(time.Second))
}
