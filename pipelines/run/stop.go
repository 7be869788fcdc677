package run

import (
	"context"
	"fmt"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

const (
	// afterTimeout of after_script where the plan sets none.
	afterTimeout = 5 * time.Minute
	// killAfter is how long the runner lets a script take to end after SIGTERM.
	killAfter = 10 * time.Second
	// stopMargin is for what comes after after_script: uploads, the last lines of the log.
	stopMargin = 30 * time.Second
)

// stopLimit is how long a stopped attempt may take to end.
func stopLimit(job *plan.Job) time.Duration {
	limit := afterTimeout
	if job.Script.AfterTimeout.Duration > 0 {
		limit = job.Script.AfterTimeout.Duration
	}
	if len(job.Script.After) == 0 {
		limit = 0
	}
	return limit + killAfter + stopMargin
}

// stop asks an attempt to end: its pod gets SIGTERM at once and the time that its
// after_script may take. Tekton, which is told next, would give it 30 seconds; a pod
// that is being deleted already is left as it is. There may be no TaskRun yet, or one
// that the cache does not know: the answer is whether there certainly is none.
func (c *Controller) stop(ctx context.Context, run *v1alpha1.Run, job *plan.Job, js *v1alpha1.JobStatus, tr *tekton.TaskRun) (gone bool, err error) {
	if tr != nil && (tr.Spec.Status != "" || tr.IsDone()) {
		return false, nil
	}
	if tr != nil && tr.Status.PodName != "" {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: run.Namespace, Name: tr.Status.PodName}}
		grace := client.GracePeriodSeconds(stopLimit(job) / time.Second)
		if err := c.Delete(ctx, pod, grace); client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("job %s: stop its pod: %w", job.Name, err)
		}
	}
	patch := fmt.Appendf(nil, `{"spec":{"status":%q}}`, tekton.TaskRunSpecStatusCancelled)
	err = c.Patch(ctx, &tekton.TaskRun{ObjectMeta: metav1.ObjectMeta{Namespace: run.Namespace, Name: js.TaskRun}}, client.RawPatch(types.MergePatchType, patch))
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("job %s: stop its task run: %w", job.Name, err)
	}
	return false, nil
}

// canceledBy says who did, where it is known: who asked for it since the attempt began,
// or, where it had not begun, since something of the run was last asked for again.
func canceledBy(run *v1alpha1.Run, js *v1alpha1.JobStatus) string {
	began := js.StartedAt
	if began != nil && js.StoppingAt != nil && js.StoppingAt.Before(began) {
		began = nil // it was seen to begin when it was to end already
	}
	for i := len(run.Spec.Actions) - 1; i >= 0; i-- {
		a := &run.Spec.Actions[i]
		switch {
		case began != nil && a.At.Before(began):
			return ""
		case a.Verb == verbCancel && (a.Job == "" || a.Job == js.Name) && a.By != "":
			return "canceled by " + a.By
		case began == nil && (a.Verb == verbRetry || a.Verb == verbFrom):
			return ""
		}
	}
	return ""
}

// whyStopped an attempt was: by somebody, or as its message says since.
func whyStopped(run *v1alpha1.Run, js *v1alpha1.JobStatus) string {
	if by := canceledBy(run, js); by != "" || reported(js.Message) != "" {
		return by
	}
	return js.Message
}
