package run

import (
	"cmp"
	"fmt"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"slipway.dev/cluster/api/v1alpha1"
)

// maxNote is what the API allows in an event.
const maxNote = 1024

// announce what differs between two states of a run as events: the run's own on the
// Run and on its Repository, a job's failure on the Run. Events that differ only in
// their note count as one, so each names the attempt or the run that it is about.
func (c *Controller) announce(before, run *v1alpha1.Run) {
	if c.Events == nil {
		return
	}
	for i := range run.Status.Jobs {
		js := &run.Status.Jobs[i]
		old := jobStatus(before, js.Name)
		if old == nil {
			continue
		}
		switch {
		case js.Phase == v1alpha1.Failed && old.Phase != js.Phase:
			c.event(run, attempt(run, js.TaskRun), corev1.EventTypeWarning, "JobFailed", "Job", withReason("job "+js.Name+" failed", js.Message))
		case old.Phase == v1alpha1.Running && ended(js) > ended(old):
			last := js.Attempts[len(js.Attempts)-1]
			c.event(run, attempt(run, old.TaskRun), corev1.EventTypeWarning, "JobRetried", "Job",
				withReason(fmt.Sprintf("job %s failed and is tried again: attempt %d", js.Name, last.Number+1), last.Message))
		}
	}
	c.announceActions(before, run)
	if run.Status.Phase == before.Status.Phase {
		return
	}
	kind, reason := corev1.EventTypeNormal, "Run"+string(run.Status.Phase)
	switch run.Status.Phase {
	case v1alpha1.Running:
		reason = "RunStarted"
	case v1alpha1.Failed:
		kind = corev1.EventTypeWarning
	case v1alpha1.Succeeded, v1alpha1.Canceled:
	default:
		return
	}
	note := fmt.Sprintf("run %s of %s at %s", run.Name, run.Spec.Ref, run.Spec.Commit)
	if run.Status.Phase.Finished() {
		note = withReason(note, run.Status.Message)
	}
	c.event(run, nil, kind, reason, "Run", note)
	if repo := repositoryOf(run); repo != nil {
		c.event(repo, run, kind, reason, "Run", note)
	}
}

// announceActions says who did what to which job.
func (c *Controller) announceActions(before, run *v1alpha1.Run) {
	reasons := map[string]string{
		verbPlay: "JobPlayed", verbUnplay: "JobUnplayed", verbApprove: "JobApproved",
		verbCancel: "JobCanceled", verbRetry: "JobRetriedByHand", verbFrom: "RunRepeatedFrom",
	}
	for i := before.Status.Handled; i < run.Status.Handled; i++ {
		a := &run.Spec.Actions[i]
		what, by := "job "+a.Job, a.By
		if a.Job == "" {
			what = "all jobs"
		}
		if a.Job == "" && a.Verb == verbApprove {
			c.event(run, nil, corev1.EventTypeNormal, "RunApproved", "Ask", "approved by "+cmp.Or(by, somebody))
			continue
		}
		if by == "" {
			by = somebody
		}
		c.event(run, nil, corev1.EventTypeNormal, reasons[a.Verb], "Ask", fmt.Sprintf("%s: %s, asked for by %s", what, a.Verb, by))
	}
}

// ended is the number of the last attempt that is remembered.
func ended(js *v1alpha1.JobStatus) int {
	if n := len(js.Attempts); n > 0 {
		return js.Attempts[n-1].Number
	}
	return 0
}

func (c *Controller) event(about, related runtime.Object, kind, reason, action, note string) {
	note = oneLine(note)
	if len(note) > maxNote {
		note = cut(note, maxNote)
	}
	c.Events.Eventf(about, related, kind, reason, action, "%s", note)
}

func withReason(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

// cut s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

func attempt(run *v1alpha1.Run, taskRun string) runtime.Object {
	if taskRun == "" {
		return nil
	}
	return &tekton.TaskRun{ObjectMeta: metav1.ObjectMeta{Namespace: run.Namespace, Name: taskRun}}
}

// repositoryOf the run, as far as an event needs it: the owner.
func repositoryOf(run *v1alpha1.Run) *v1alpha1.Repository {
	owner := metav1.GetControllerOf(run)
	if owner == nil || owner.Kind != "Repository" {
		return nil
	}
	return &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: run.Namespace, Name: owner.Name, UID: owner.UID}}
}
