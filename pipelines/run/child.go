package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// parentOf is the run to look at when one that it started changes.
func parentOf(_ context.Context, o client.Object) []reconcile.Request {
	run, ok := o.(*v1alpha1.Run)
	if !ok || run.Spec.Parent == nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: run.Namespace, Name: run.Spec.Parent.Run}}}
}

// childChanged leaves out what a parent does not look at: how the jobs go.
var childChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	a, ok := e.ObjectOld.(*v1alpha1.Run)
	b, also := e.ObjectNew.(*v1alpha1.Run)
	return ok && also && b.Spec.Parent != nil && (a.Status.Phase != b.Status.Phase || (len(a.Status.Jobs) == 0) != (len(b.Status.Jobs) == 0) ||
		waitsFor(a) != waitsFor(b))
}}

// waitsFor says why a run does not go on, where it knows.
func waitsFor(run *v1alpha1.Run) string { return cmp.Or(run.Status.Queued, run.Status.Message) }

// lookChild brings the status of a job up to the run that it started, and passes a cancel
// on to that.
func (c *Controller) lookChild(ctx context.Context, run *v1alpha1.Run, p *plan.Plan, job *plan.Job, js *v1alpha1.JobStatus) error {
	child := &v1alpha1.Run{}
	err := c.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: js.Child}, child)
	switch {
	case apierrors.IsNotFound(err):
		child = nil
	case err != nil:
		return err
	case !begat(run, job, child):
		if js.Phase == v1alpha1.Running {
			fail(js, job, reasonChild, fmt.Sprintf("a run %s is there already that this job did not start; give the job another name", js.Child))
			js.Child = ""
		}
		return nil
	case !slices.Contains(run.Status.Children, child.Name):
		run.Status.Children = append(run.Status.Children, child.Name)
	}
	switch {
	case js.Phase == v1alpha1.Running && js.StoppingAt != nil:
		return c.stopChild(ctx, run, job, js, child)
	case js.Phase == v1alpha1.Running:
		observeChild(js, job, child)
		return c.locate(ctx, run, p, job, js)
	case child == nil || child.Status.Phase.Finished():
		return nil
	case run.Spec.Cancel && !run.Status.Phase.Finished():
		if job.Trigger.Repository == "" { // also one that nobody waits for
			_, err := c.cancelChild(ctx, run, js, child)
			return err
		}
	case !run.Spec.Cancel && js.StoppingAt == nil && (job.Trigger.Depend || job.Trigger.Mirror) && len(child.Status.Jobs) > 0:
		// Its end was the job's, and somebody asked for more of it since.
		js.Phase, js.FinishedAt, js.Message, js.Reason = v1alpha1.Running, nil, "", ""
		js.AllowFailure = job.AllowFailure
		for _, name := range p.Behind(js.Name) {
			renew(jobStatus(run, name), p.Job(name), false)
		}
	}
	return nil
}

// observeChild of a running job. Without a strategy the job is done once the other run
// has begun.
func observeChild(js *v1alpha1.JobStatus, job *plan.Job, child *v1alpha1.Run) {
	if child == nil {
		if js.StartedAt != nil {
			fail(js, job, reasonLost, fmt.Sprintf("run %s, which it started, was deleted", js.Child))
		}
		return // it is about to be made
	}
	if js.StartedAt == nil {
		js.StartedAt = now()
	}
	begun, phase := len(child.Status.Jobs) > 0, child.Status.Phase
	said := func(what string) string { return withReason("run "+child.Name+" "+what, child.Status.Message) }
	switch {
	case !begun && !phase.Finished(): // it is being compiled
	case begun && !job.Trigger.Depend && !job.Trigger.Mirror:
		end(js, v1alpha1.Succeeded, "", "")
	case phase == v1alpha1.Canceled:
		end(js, v1alpha1.Canceled, "", said("was canceled"))
	case !begun:
		fail(js, job, reasonChild, said("did not begin"))
	case phase == v1alpha1.Succeeded:
		end(js, v1alpha1.Succeeded, "", "")
	case phase.Finished():
		fail(js, job, reasonChild, said("failed"))
	default:
		js.Message = waitsFor(child)
	}
}

// stopChild ends a job that is to stop. A child is canceled, and the job over when that
// is; what a newer commit takes the place of decides for itself, and a run of another
// repository goes on.
func (c *Controller) stopChild(ctx context.Context, run *v1alpha1.Run, job *plan.Job, js *v1alpha1.JobStatus, child *v1alpha1.Run) error {
	switch {
	case child != nil && child.Status.Phase == v1alpha1.Succeeded && len(child.Status.Jobs) > 0:
		observeChild(js, job, child)
		return nil
	case job.Trigger.Repository == "" && !byOvertaking(js.Message) && (child == nil || !child.Status.Phase.Finished()):
		if gone, err := c.cancelChild(ctx, run, js, child); err != nil || !gone {
			return err
		}
	}
	end(js, v1alpha1.Canceled, "", whyStopped(run, js))
	return nil
}

// cancelChild asks a child to end. There may be none yet, or one that the cache does not
// know: gone says that there certainly is none.
func (c *Controller) cancelChild(ctx context.Context, run *v1alpha1.Run, js *v1alpha1.JobStatus, child *v1alpha1.Run) (gone bool, err error) {
	if child != nil {
		if child.Spec.Cancel {
			return false, nil
		}
		return false, client.IgnoreNotFound(c.Cancel(ctx, run.Namespace, js.Child, "run "+run.Name))
	}
	patch := fmt.Appendf(nil, `[{"op":"test","path":"/spec/parent/run","value":%q},{"op":"add","path":"/spec/cancel","value":true}]`, run.Name)
	err = c.Patch(ctx, &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: run.Namespace, Name: js.Child}}, client.RawPatch(types.JSONPatchType, patch))
	if apierrors.IsNotFound(err) || apierrors.IsInvalid(err) { // nothing, or nothing of this run's
		return true, nil
	}
	return false, err
}

// triggerLog is the log of a job that starts another run: it has no pod.
func triggerLog(js *v1alpha1.JobStatus, attempt int) string {
	child, message := js.Child, js.Message
	for _, old := range js.Attempts {
		if old.Number == attempt && attempt != js.Attempt {
			child, message = old.Child, old.Message
		}
	}
	var lines []string
	if child != "" {
		lines = append(lines, "It starts run "+child+", which has logs of its own.\n")
	}
	if message != "" {
		lines = append(lines, message+"\n")
	}
	return strings.Join(lines, "")
}
