package schedule

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"slipway.dev/cluster/api/v1alpha1"
)

type world struct {
	t *testing.T
	*Controller
	clock time.Time
	crash bool // before the status is written
}

type crashed struct{ error }

func newWorld(t *testing.T) *world {
	t.Helper()
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: at(t, "2026-03-01T00:00:30Z")}
	c := fake.NewClientBuilder().WithScheme(s).WithStatusSubresource(&v1alpha1.Schedule{}).WithObjects(
		&v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop", UID: "u"}},
		&v1alpha1.Schedule{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "hourly", Generation: 1},
			Spec: v1alpha1.ScheduleSpec{Repository: "shop", Cron: "0 * * * *", By: "ann", Variables: map[string]string{"A": "b"}}},
	).WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
		if w.crash {
			return crashed{apierrors.NewInternalError(context.Canceled)}
		}
		return c.SubResource(sub).Patch(ctx, o, p, opts...)
	}}).Build()
	w.Controller = &Controller{Client: c, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.clock },
		NewRun: func(repo *v1alpha1.Repository, ref string) (*v1alpha1.Run, error) {
			if ref == "gone" {
				return nil, apierrors.NewBadRequest(`"gone" not found`)
			}
			return &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: repo.Namespace}, Spec: v1alpha1.RunSpec{Repository: repo.Name}}, nil
		}}
	return w
}

// to sets the clock, reconciles and returns the schedule and how many runs there are.
func (w *world) to(clock string) (*v1alpha1.Schedule, []v1alpha1.Run, ctrl.Result) {
	w.t.Helper()
	w.clock = at(w.t, clock)
	key := client.ObjectKey{Namespace: "default", Name: "hourly"}
	res, err := w.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil && !w.crash {
		w.t.Fatal(err)
	}
	s, runs := &v1alpha1.Schedule{}, &v1alpha1.RunList{}
	if err := w.Get(w.t.Context(), key, s); err != nil {
		w.t.Fatal(err)
	}
	if err := w.List(w.t.Context(), runs); err != nil {
		w.t.Fatal(err)
	}
	return s, runs.Items, res
}

func TestOneRunADueTime(t *testing.T) {
	w := newWorld(t)
	s, runs, res := w.to("2026-03-01T00:00:30Z")
	if len(runs) != 0 || !s.Status.Next.Time.Equal(at(t, "2026-03-01T01:00:00Z")) || res.RequeueAfter != maxWait {
		t.Fatalf("at first: %d runs, %+v, %v", len(runs), s.Status, res)
	}
	if _, runs, res = w.to("2026-03-01T00:59:59Z"); len(runs) != 0 || res.RequeueAfter != time.Second {
		t.Fatalf("a second early: %d runs, %v", len(runs), res)
	}
	s, runs, _ = w.to("2026-03-01T01:00:02Z")
	if len(runs) != 1 || s.Status.LastRun != runs[0].Name || !s.Status.Last.Time.Equal(at(t, "2026-03-01T01:00:00Z")) {
		t.Fatalf("due: %d runs, %+v", len(runs), s.Status)
	}
	if r := runs[0].Spec; r.Cause != "schedule" || r.Schedule != "hourly" || r.By != "ann" || r.Variables["A"] != "b" {
		t.Errorf("%+v", r)
	}
	if _, runs, _ = w.to("2026-03-01T01:00:03Z"); len(runs) != 1 {
		t.Errorf("looked at again: %d runs", len(runs))
	}
}

// TestDowntimeIsMadeUpForOnce: three days of missed hours are one run.
func TestDowntimeIsMadeUpForOnce(t *testing.T) {
	w := newWorld(t)
	w.to("2026-03-01T00:00:30Z")
	s, runs, _ := w.to("2026-03-04T07:20:00Z")
	if len(runs) != 1 || !s.Status.Last.Time.Equal(at(t, "2026-03-04T07:00:00Z")) || !s.Status.Next.Time.Equal(at(t, "2026-03-04T08:00:00Z")) {
		t.Errorf("%d runs, %+v", len(runs), s.Status)
	}
}

// TestKillBetweenRunAndStatus: what a crash repeats is the same run.
func TestKillBetweenRunAndStatus(t *testing.T) {
	w := newWorld(t)
	w.to("2026-03-01T00:00:30Z")
	w.crash = true
	if _, runs, _ := w.to("2026-03-01T01:00:01Z"); len(runs) != 1 {
		t.Fatalf("%d runs", len(runs))
	}
	w.crash = false
	if s, runs, _ := w.to("2026-03-01T01:05:00Z"); len(runs) != 1 || s.Status.LastRun != runs[0].Name {
		t.Errorf("%d runs, %+v", len(runs), s.Status)
	}
}

func TestSuspendedTimesAreNotMadeUpFor(t *testing.T) {
	w := newWorld(t)
	change := func(f func(*v1alpha1.ScheduleSpec)) {
		s := &v1alpha1.Schedule{}
		if err := w.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "hourly"}, s); err != nil {
			t.Fatal(err)
		}
		f(&s.Spec)
		s.Generation++ // as an apiserver does
		if err := w.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	w.to("2026-03-01T00:00:30Z")
	change(func(s *v1alpha1.ScheduleSpec) { s.Suspend = true })
	if s, runs, _ := w.to("2026-03-01T03:30:00Z"); len(runs) != 0 || s.Status.Next != nil {
		t.Fatalf("suspended: %d runs, %+v", len(runs), s.Status)
	}
	run, err := w.Play(t.Context(), "default", "hourly", "bob")
	if err != nil || run.Spec.By != "bob" {
		t.Fatalf("play: %+v %v", run, err)
	}
	change(func(s *v1alpha1.ScheduleSpec) { s.Suspend = false })
	if s, runs, _ := w.to("2026-03-01T05:30:00Z"); len(runs) != 1 || !s.Status.Next.Time.Equal(at(t, "2026-03-01T06:00:00Z")) {
		t.Fatalf("resumed: %d runs, %+v", len(runs), s.Status)
	}
	change(func(s *v1alpha1.ScheduleSpec) { s.Ref = "gone" })
	w.to("2026-03-01T05:40:00Z")
	if s, runs, _ := w.to("2026-03-01T06:00:00Z"); len(runs) != 1 || !strings.Contains(s.Status.Message, "gone") || !s.Status.Next.Time.Equal(at(t, "2026-03-01T07:00:00Z")) {
		t.Errorf("a ref that is gone: %d runs, %+v", len(runs), s.Status)
	}
	change(func(s *v1alpha1.ScheduleSpec) { s.Cron = "never" })
	if s, _, _ := w.to("2026-03-01T07:00:00Z"); s.Status.Next != nil || !strings.Contains(s.Status.Message, "five fields") {
		t.Errorf("a bad line: %+v", s.Status)
	}
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
