package run

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

func equalStatus(a, b *v1alpha1.RunStatus) bool { return equality.Semantic.DeepEqual(a, b) }

// now has the precision that the API keeps, so that what was written compares equal.
func now() *metav1.MicroTime {
	t := metav1.NewMicroTime(time.Now().Truncate(time.Microsecond))
	return &t
}

func finish(run *v1alpha1.Run, phase v1alpha1.Phase, message string) {
	run.Status.Phase, run.Status.Message = phase, message
	if run.Status.StartedAt == nil {
		run.Status.StartedAt = now()
	}
	run.Status.FinishedAt = now()
}

func problemLine(problems []v1alpha1.Problem) string {
	p := problems[0]
	line := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
	if n := len(problems) - 1; n > 0 {
		line += fmt.Sprintf(" (and %d more)", n)
	}
	return line
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// fill the status of a run that has none yet from its plan.
func fill(run *v1alpha1.Run, p *plan.Plan) {
	if len(run.Status.Jobs) > 0 {
		return
	}
	run.Status.Pipeline = p.Source
	run.Status.Phase = v1alpha1.Pending
	edges := p.Edges()
	for i := range p.Jobs {
		j := &p.Jobs[i]
		js := v1alpha1.JobStatus{
			Name: j.Name, Stage: j.Stage, Needs: edges[j.Name], Phase: v1alpha1.Pending, Group: j.Group,
			AllowFailure: j.AllowFailure, Manual: j.When == plan.Manual, Confirmation: j.Confirmation,
			Environment: p.EnvironmentName(j),
		}
		if j.ResourceGroup != "" {
			js.ResourceGroup = expand(p, j, j.ResourceGroup)
		}
		run.Status.Jobs = append(run.Status.Jobs, js)
	}
}

// expand the variables of a job that are known before an attempt of it.
func expand(p *plan.Plan, j *plan.Job, s string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	values := map[string]string{}
	for _, v := range plan.Environ(p, j, nil, nil, nil) {
		values[v.Name] = v.Value
	}
	return plan.Expand(s, func(name string) (string, bool) { return values[name], true })
}

// jobStatus of the name, or nil.
func jobStatus(run *v1alpha1.Run, name string) *v1alpha1.JobStatus {
	for i := range run.Status.Jobs {
		if run.Status.Jobs[i].Name == name {
			return &run.Status.Jobs[i]
		}
	}
	return nil
}

// keepAttempts is how many ended attempts of a job a status remembers.
const keepAttempts = 10

// end an attempt, or a job that never had one.
func end(js *v1alpha1.JobStatus, phase v1alpha1.Phase, reason, message string) {
	js.Phase, js.Reason, js.Message, js.FinishedAt = phase, reason, message, now()
	js.QueuedAt, js.StartAt = nil, nil
}

// begin the next attempt: the name first, so that a repeat makes the same one.
func begin(run *v1alpha1.Run, js *v1alpha1.JobStatus, job *plan.Job) {
	clearResults(js)
	js.Attempt++
	js.Phase = v1alpha1.Running
	if job.Trigger != nil {
		js.Child = childName(run.Name, job.ID, js.Attempt)
		return
	}
	js.TaskRun = attemptName(run.Name, job.ID, js.Attempt)
}

// again puts a job back to the beginning and remembers the attempt that it had.
func again(js *v1alpha1.JobStatus) {
	if n := len(js.Attempts); js.Attempt > 0 && (n == 0 || js.Attempts[n-1].Number < js.Attempt) {
		js.Attempts = append(js.Attempts, v1alpha1.Attempt{
			Number: js.Attempt, Phase: js.Phase, ExitCode: js.ExitCode, Message: js.Message, Reason: js.Reason,
			Child: js.Child, StartedAt: js.StartedAt, FinishedAt: js.FinishedAt,
		})
		js.Attempts = js.Attempts[max(0, len(js.Attempts)-keepAttempts):]
	}
	clearResults(js)
	js.Phase = v1alpha1.Pending
}

// clearResults of the last attempt.
func clearResults(js *v1alpha1.JobStatus) {
	js.Message, js.Reason, js.TaskRun, js.Child = "", "", "", ""
	js.StartedAt, js.FinishedAt, js.StartAt, js.QueuedAt, js.StoppingAt = nil, nil, nil, nil, nil
	js.ExitCode, js.Images, js.Artifacts, js.ArtifactsExpire, js.Exposed = nil, nil, false, nil, nil
	js.Coverage, js.Tests, js.EnvironmentURL = "", nil, ""
}
