package run

import (
	"fmt"
	"strings"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// Reasons of a failed attempt, which plan.Retry knows them by.
const (
	reasonScript  = "script"
	reasonTimeout = "timeout"
	reasonSystem  = "system"
	reasonImage   = "image"
	reasonLost    = "lost"
	reasonChild   = "child"
)

// observe brings the status of a running job up to its TaskRun, which may be missing.
// A stopped attempt is over when its log is complete: after_script runs until then.
func observe(run *v1alpha1.Run, js *v1alpha1.JobStatus, job *plan.Job, tr *tekton.TaskRun, sealed bool) {
	if tr == nil {
		if js.StartedAt != nil {
			fail(js, job, reasonLost, "its TaskRun was deleted")
		}
		return
	}
	if js.StartedAt == nil && tr.Status.StartTime != nil {
		js.StartedAt = began(tr)
	}
	cond := tr.Status.GetCondition("Succeeded")
	if cond == nil {
		return
	}
	if !tr.IsDone() {
		if js.StoppingAt == nil && reported(js.Message) == "" {
			js.Message = asWritten(waitReason(cond.Reason, cond.Message), job, tr)
		}
		return
	}
	if js.StoppingAt != nil && cond.Status != corev1.ConditionTrue && !onlyServicesFailed(tr, cond.Reason) {
		if sealed || time.Since(js.StoppingAt.Time) > stopLimit(job)+stopMargin {
			end(js, v1alpha1.Canceled, "", whyStopped(run, js))
		}
		return
	}
	var oom bool
	for _, s := range tr.Status.Steps {
		if s.Name == stepName && s.Terminated != nil {
			code := s.Terminated.ExitCode
			js.ExitCode = &code
			oom = s.Terminated.Reason == "OOMKilled"
		}
	}
	switch {
	case cond.Status == corev1.ConditionTrue || onlyServicesFailed(tr, cond.Reason):
		end(js, v1alpha1.Succeeded, "", "")
	case gaveUp(tr) != "":
		fail(js, job, reasonImage, asWritten(gaveUp(tr), job, tr))
	case tr.IsCancelled():
		end(js, v1alpha1.Canceled, "", whyStopped(run, js))
	case oom:
		fail(js, job, reasonScript, "out of memory: the kernel killed it; raise the memory limit or use less")
	default:
		message := reported(js.Message)
		if message == "" {
			message = asWritten(failMessage(cond.Reason, cond.Message, js.ExitCode), job, tr)
		}
		fail(js, job, failReason(js, cond.Reason), message)
	}
}

// madeAnnotation says when a TaskRun was made, in fractions of a second.
const madeAnnotation = "slipway.dev/made-at"

// began is when the TaskRun did; its own time has a precision of one second only, and
// would be before the end of what the job waited for.
func began(tr *tekton.TaskRun) *metav1.MicroTime {
	if t := now(); t.Sub(tr.Status.StartTime.Time) < 2*time.Second {
		return t
	}
	t := metav1.NewMicroTime(tr.Status.StartTime.Time)
	if made, err := time.Parse(time.RFC3339Nano, tr.Annotations[madeAnnotation]); err == nil && made.After(t.Time) {
		t = metav1.NewMicroTime(made.Truncate(time.Microsecond))
	}
	return &t
}

// fail an attempt; where the plan allows another, the job goes back to the beginning.
func fail(js *v1alpha1.JobStatus, job *plan.Job, reason, message string) {
	if job != nil && nextWay(js, job, reason, message) {
		return
	}
	end(js, v1alpha1.Failed, reason, message)
	if job == nil {
		return
	}
	js.AllowFailure = job.Allowed(plan.State{ExitCode: js.ExitCode})
	// As in GitLab, a failure that is allowed is tried again too.
	if job.Retry.Allows(js.Attempt-js.PullWay, reason, js.ExitCode) {
		again(js)
		js.AllowFailure = job.AllowFailure
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

// failReason sorts a failure. What the runner reported of itself comes first.
func failReason(js *v1alpha1.JobStatus, reason string) string {
	if js.Reason != "" {
		return js.Reason
	}
	switch tekton.TaskRunReason(reason) {
	case tekton.TaskRunReasonImagePullFailed, "PullImageFailed", "InvalidImageName":
		return reasonImage
	case tekton.TaskRunReasonTimedOut:
		return reasonTimeout
	case tekton.TaskRunReasonPodEvicted, "PodDeleted", "NodeLost":
		return reasonLost
	}
	switch {
	case js.ExitCode == nil:
		return reasonSystem
	case *js.ExitCode == exitTimeout && reported(js.Message) != "":
		return reasonTimeout
	}
	return reasonScript
}

// exitTimeout is the runner's exit code for a script that took too long.
const exitTimeout = 124

func failMessage(reason, message string, code *int32) string {
	switch {
	case tekton.TaskRunReason(reason) == tekton.TaskRunReasonImagePullFailed:
		return "an image cannot be pulled: " + oneLine(message) + "; check its name, and whether its registry answers"
	case tekton.TaskRunReason(reason) == tekton.TaskRunReasonTimedOut:
		return "it took longer than its time limit"
	case tekton.TaskRunReason(reason) == tekton.TaskRunReasonPodEvicted:
		return "its pod was evicted: " + oneLine(message)
	case code != nil && *code != 0:
		return fmt.Sprintf("exit code %d", *code)
	}
	return oneLine(message)
}
