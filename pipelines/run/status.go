package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
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

func loadPlan(ctx context.Context, store jobapi.Artifacts, namespace, run string) (*plan.Plan, error) {
	rc, err := store.Get(ctx, namespace, run, planName)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run %s: read plan: %w", run, err)
	}
	defer rc.Close()
	data, err := io.ReadAll(io.LimitReader(rc, maxPlan))
	if err != nil {
		return nil, fmt.Errorf("run %s: read plan: %w", run, err)
	}
	return plan.Decode(data)
}

func storePlan(ctx context.Context, store jobapi.Artifacts, run *v1alpha1.Run, p *plan.Plan) error {
	data, err := p.Encode()
	if err != nil {
		return err
	}
	if err := store.Put(ctx, run.Namespace, run.Name, planName, bytes.NewReader(data), maxPlan); err != nil {
		return fmt.Errorf("run %s: keep plan: %w", run.Name, err)
	}
	return nil
}

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
		run.Status.Jobs = append(run.Status.Jobs, v1alpha1.JobStatus{
			Name: j.Name, Stage: j.Stage, Needs: edges[j.Name], Phase: v1alpha1.Pending,
			AllowFailure: j.AllowFailure, Manual: j.When == plan.Manual,
		})
	}
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

// observe brings the status of a running job up to its TaskRun, which may be missing.
func observe(run *v1alpha1.Run, js *v1alpha1.JobStatus, job *plan.Job, tr *tekton.TaskRun) {
	if tr == nil {
		if js.StartedAt != nil {
			end(js, v1alpha1.Failed, "its TaskRun was deleted")
		}
		return
	}
	if js.StartedAt == nil && tr.Status.StartTime != nil {
		t := metav1.NewMicroTime(tr.Status.StartTime.Time)
		js.StartedAt = &t
	}
	cond := tr.Status.GetCondition("Succeeded")
	if cond == nil {
		return
	}
	if !tr.IsDone() {
		if reported(js.Message) == "" {
			js.Message = waitReason(cond.Reason, cond.Message)
		}
		return
	}
	var oom bool
	for _, s := range tr.Status.Steps {
		if s.Terminated != nil {
			code := s.Terminated.ExitCode
			js.ExitCode = &code
			oom = s.Terminated.Reason == "OOMKilled"
		}
	}
	switch {
	case cond.Status == corev1.ConditionTrue || onlyServicesFailed(tr, cond.Reason):
		end(js, v1alpha1.Succeeded, "")
	case tr.IsCancelled() || run.Spec.Cancel:
		end(js, v1alpha1.Canceled, "")
	case oom:
		end(js, v1alpha1.Failed, "out of memory: the kernel killed it; raise the memory limit or use less")
	default:
		message := reported(js.Message)
		if message == "" {
			message = failReason(cond.Reason, cond.Message, js.ExitCode)
		}
		end(js, v1alpha1.Failed, message)
		if job != nil && js.Attempt <= job.Retry.Max {
			again(js)
		}
	}
}

// reportedPrefix marks a message that the runner itself gave, which says more than
// what Tekton knows.
const reportedPrefix = "runner: "

func reported(message string) string {
	m, ok := strings.CutPrefix(message, reportedPrefix)
	if !ok {
		return ""
	}
	return m
}

func waitReason(reason, message string) string {
	switch tekton.TaskRunReason(reason) {
	case tekton.TaskRunReasonStarted, tekton.TaskRunReasonRunning:
		return ""
	}
	return oneLine(message)
}

func failReason(reason, message string, code *int32) string {
	switch {
	case tekton.TaskRunReason(reason) == tekton.TaskRunReasonImagePullFailed:
		return "the image cannot be pulled: " + oneLine(message)
	case tekton.TaskRunReason(reason) == tekton.TaskRunReasonTimedOut:
		return "it took longer than its time limit"
	case code != nil && *code != 0:
		return fmt.Sprintf("exit code %d", *code)
	}
	return oneLine(message)
}

func end(js *v1alpha1.JobStatus, phase v1alpha1.Phase, message string) {
	js.Phase, js.Message, js.FinishedAt = phase, message, now()
}

// begin the next attempt: the name first, so that a repeat makes the same one.
func begin(run *v1alpha1.Run, js *v1alpha1.JobStatus, id string) {
	js.Attempt++
	js.Phase, js.Message = v1alpha1.Running, ""
	js.StartedAt, js.FinishedAt, js.ExitCode, js.Images = nil, nil, nil, nil
	js.TaskRun = attemptName(run.Name, id, js.Attempt)
}

// again leaves a failed job for decide to begin once more.
func again(js *v1alpha1.JobStatus) { js.Phase, js.FinishedAt = v1alpha1.Running, nil; js.TaskRun = "" }

// decide applies what the plan says to the status.
func decide(run *v1alpha1.Run, p *plan.Plan) {
	states := make(map[string]plan.State, len(run.Status.Jobs))
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		job := p.Job(js.Name)
		if js.Phase == v1alpha1.Running && js.TaskRun == "" { // a retry
			if run.Spec.Cancel {
				end(js, v1alpha1.Canceled, "")
			} else {
				begin(run, js, job.ID)
			}
		}
		_, played := run.Annotations[playAnnotation(job.ID)]
		states[js.Name] = plan.State{Phase: js.Phase, ExitCode: js.ExitCode, Played: played}
	}
	d := p.Next(states, run.Spec.Cancel)
	for _, name := range d.Start {
		begin(run, jobStatus(run, name), p.Job(name).ID)
	}
	for _, s := range d.Skip {
		js := jobStatus(run, s.Job)
		js.Phase, js.Message = v1alpha1.Skipped, s.Reason
	}
	for _, name := range d.Cancel {
		js := jobStatus(run, name)
		js.Phase = v1alpha1.Canceled
	}
	for _, name := range d.Manual {
		js := jobStatus(run, name)
		js.Message = "waits until somebody starts it"
	}
	run.Status.Message = d.Message
	if d.Phase.Finished() {
		if run.Status.Phase != d.Phase || run.Status.FinishedAt == nil {
			finish(run, d.Phase, d.Message)
		}
		return
	}
	run.Status.Phase, run.Status.FinishedAt = d.Phase, nil
	if d.Phase == v1alpha1.Running && run.Status.StartedAt == nil {
		run.Status.StartedAt = now()
	}
}
