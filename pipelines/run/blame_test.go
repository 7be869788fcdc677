package run

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

func TestCanceledBy(t *testing.T) {
	at := func(minute int) metav1.MicroTime {
		return metav1.NewMicroTime(time.Date(2030, 1, 1, 0, minute, 0, 0, time.UTC))
	}
	action := func(verb, job, by string, minute int) v1alpha1.RunAction {
		return v1alpha1.RunAction{Verb: verb, Job: job, By: by, At: at(minute)}
	}
	for name, c := range map[string]struct {
		actions []v1alpha1.RunAction
		started int // 0: never
		want    string
	}{
		"nobody":                               {nil, 5, ""},
		"the run":                              {[]v1alpha1.RunAction{action(verbCancel, "", "ann", 6)}, 5, "canceled by ann"},
		"this job":                             {[]v1alpha1.RunAction{action(verbCancel, "a", "ann", 6)}, 5, "canceled by ann"},
		"another job":                          {[]v1alpha1.RunAction{action(verbCancel, "b", "ann", 6)}, 5, ""},
		"an attempt before":                    {[]v1alpha1.RunAction{action(verbCancel, "", "ann", 3), action(verbRetry, "a", "bob", 4)}, 5, ""},
		"both times":                           {[]v1alpha1.RunAction{action(verbCancel, "", "ann", 3), action(verbRetry, "a", "bob", 4), action(verbCancel, "", "cid", 6)}, 5, "canceled by cid"},
		"while another job was done again":     {[]v1alpha1.RunAction{action(verbCancel, "a", "ann", 6), action(verbRetry, "b", "bob", 7)}, 5, "canceled by ann"},
		"never began":                          {[]v1alpha1.RunAction{action(verbCancel, "", "ann", 3)}, 0, "canceled by ann"},
		"never began, and was asked for again": {[]v1alpha1.RunAction{action(verbCancel, "", "ann", 3), action(verbRetry, "", "bob", 4)}, 0, ""},
	} {
		js := &v1alpha1.JobStatus{Name: "a"}
		if c.started > 0 {
			js.StartedAt = &metav1.MicroTime{Time: at(c.started).Time}
		}
		if got := canceledBy(&v1alpha1.Run{Spec: v1alpha1.RunSpec{Actions: c.actions}}, js); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestRunWithManyActionsCanBeCanceled: what was asked of it does not keep it running.
func TestRunWithManyActionsCanBeCanceled(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"}, plan.Job{Name: "m", When: plan.Manual}, plan.Job{Name: "b"})
	w.push()
	w.settle("shop-1")
	run := &v1alpha1.Run{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "shop-1"}, run); err != nil {
		t.Fatal(err)
	}
	for len(run.Spec.Actions) < maxActions {
		run.Spec.Actions = append(run.Spec.Actions, v1alpha1.RunAction{Verb: verbApprove, Job: "m", By: "ann", At: *now()})
	}
	if err := w.Update(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	w.settle("shop-1")
	if err := w.try("play m"); err == nil {
		t.Error("one more thing was asked of it")
	}
	w.want(w.act("cancel a"), "a=Running m=Pending b=Running Running")
	if err := w.Cancel(t.Context(), "default", "shop-1", "bob"); err != nil {
		t.Fatal(err)
	}
	run = w.settle("shop-1")
	if len(run.Spec.Actions) != maxActions+2 || run.Status.Jobs[2].StoppingAt == nil {
		t.Errorf("%d actions, %+v", len(run.Spec.Actions), run.Status.Jobs[2])
	}
	// Nor do cancels of its jobs.
	for len(run.Spec.Actions) < maxJobCancels {
		run.Spec.Actions = append(run.Spec.Actions, v1alpha1.RunAction{Verb: verbCancel, Job: "a", By: "ann", At: *now()})
	}
	if ask(run, v1alpha1.RunAction{Verb: verbCancel, Job: "a"}) == nil || ask(run, v1alpha1.RunAction{Verb: verbCancel}) != nil {
		t.Error("the limits of cancels are not apart")
	}
}
