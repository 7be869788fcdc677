package environments

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

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

// plans is one plan for all runs.
type plans struct{ plan *plan.Plan }

func (p plans) Plan(context.Context, string, string) (*plan.Plan, error) { return p.plan, nil }

type world struct {
	t *testing.T
	client.Client
	recorder *Recorder
	keeper   *Keeper
	clock    time.Time
	acts     []string
	refuse   bool
}

func job(name string, e plan.Environment) plan.Job {
	return plan.Job{Name: name, ID: name, Environment: &e}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.Client = fake.NewClientBuilder().WithScheme(s).WithStatusSubresource(&v1alpha1.Run{}, &v1alpha1.Environment{}, &v1alpha1.Repository{}).WithObjects(
		&v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop", UID: "u"}, Status: v1alpha1.RepositoryStatus{
			Refs: map[string]v1alpha1.RefStatus{"refs/heads/main": {Commit: "c"}, "refs/heads/fix": {Commit: "f"}},
		}}).Build()
	p := &plan.Plan{Predefined: []plan.Variable{{Name: "REF", Value: "fix"}}, Jobs: []plan.Job{
		job("deploy", plan.Environment{Name: "review/$REF", URL: "https://$HOST/$REF", OnStop: "stop", AutoStop: metav1.Duration{Duration: time.Hour}}),
		job("stop", plan.Environment{Name: "review/$REF", Action: "stop"}),
		job("verify", plan.Environment{Name: "review/$REF", Action: "verify", AutoStop: metav1.Duration{Duration: 3 * time.Hour}}),
	}}
	log := slog.New(slog.DiscardHandler)
	w.recorder = &Recorder{Client: w.Client, Plans: plans{p}, Log: log}
	w.keeper = &Keeper{Client: w.Client, Log: log, Now: func() time.Time { return w.clock },
		Act: func(_ context.Context, _, run string, actions ...v1alpha1.RunAction) error {
			if w.refuse {
				return apierrors.NewBadRequest("no")
			}
			for _, a := range actions {
				w.acts = append(w.acts, strings.Join([]string{a.Verb, run, a.Job, a.By}, " "))
			}
			return nil
		}}
	return w
}

func (w *world) at(minutes int) *metav1.MicroTime {
	t := metav1.NewMicroTime(w.clock.Add(time.Duration(minutes) * time.Minute))
	return &t
}

// job of a run as it is now; it started at minute from and, if finished, ended at minute to.
func (w *world) job(run, name string, phase v1alpha1.Phase, from, to int) *v1alpha1.Environment {
	w.t.Helper()
	ctx, key := w.t.Context(), client.ObjectKey{Namespace: "default", Name: run}
	r := &v1alpha1.Run{}
	if err := w.Get(ctx, key, r); apierrors.IsNotFound(err) {
		r = &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: run},
			Spec: v1alpha1.RunSpec{Repository: "shop", Commit: "commit-of-" + run, Ref: "refs/heads/fix", By: "ann"}}
		if err := w.Create(ctx, r); err != nil {
			w.t.Fatal(err)
		}
		r.Status.Jobs = []v1alpha1.JobStatus{{Name: "deploy", Phase: v1alpha1.Pending}, {Name: "stop", Phase: v1alpha1.Pending, Manual: true}, {Name: "verify", Phase: v1alpha1.Pending}}
	}
	for i := range r.Status.Jobs {
		js := &r.Status.Jobs[i]
		if js.Name != name {
			continue
		}
		js.Phase, js.Attempt, js.StartedAt, js.FinishedAt = phase, 1, w.at(from), nil
		if phase.Finished() {
			js.FinishedAt = w.at(to)
			js.EnvironmentURL = "https://" + run + ".example.org/fix"
		}
	}
	if err := w.Status().Update(ctx, r); err != nil {
		w.t.Fatal(err)
	}
	return w.record(run)
}

// record a run twice: the second time must change nothing.
func (w *world) record(run string) *v1alpha1.Environment {
	w.t.Helper()
	env := &v1alpha1.Environment{}
	version := ""
	for range 2 {
		if _, err := w.recorder.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: run}}); err != nil {
			w.t.Fatal(err)
		}
		if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "default", Name: ObjectName("shop", "review/fix")}, env); err != nil {
			w.t.Fatal(err)
		}
		if version != "" && env.ResourceVersion != version {
			w.t.Errorf("recording run %s again changes the environment", run)
		}
		version = env.ResourceVersion
	}
	return env
}

func (w *world) keep() (*v1alpha1.Environment, ctrl.Result) {
	w.t.Helper()
	key := client.ObjectKey{Namespace: "default", Name: ObjectName("shop", "review/fix")}
	res, err := w.keeper.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil {
		w.t.Fatal(err)
	}
	env := &v1alpha1.Environment{}
	if err := w.Get(w.t.Context(), key, env); err != nil {
		w.t.Fatal(err)
	}
	return env, res
}

func TestDeploymentsAndStop(t *testing.T) {
	w := newWorld(t)
	env := w.job("r1", "deploy", v1alpha1.Running, 0, 0)
	if env.Spec.Name != "review/fix" || env.Status.State != Available || env.Status.Tier != "development" || env.Status.DeployedAt != nil || len(env.Status.History) != 1 {
		t.Fatalf("while it deploys: %+v", env.Status)
	}
	env = w.job("r1", "deploy", v1alpha1.Succeeded, 0, 2)
	if s := env.Status; s.Run != "r1" || s.Commit != "commit-of-r1" || s.By != "ann" || s.URL != "https://r1.example.org/fix" || s.OnStop != "stop" ||
		!s.AutoStopAt.Time.Equal(w.at(62).Time) || s.History[0].Phase != v1alpha1.Succeeded {
		t.Fatalf("deployed: %+v", s)
	}
	w.job("r2", "deploy", v1alpha1.Failed, 5, 6)
	env = w.job("r3", "deploy", v1alpha1.Succeeded, 7, 9)
	if s := env.Status; s.Run != "r3" || len(s.History) != 3 || s.History[0].Run != "r3" || s.History[2].Run != "r1" {
		t.Fatalf("deployed again: %+v", s)
	}
	// An older run that is looked at again, as after a restart, says nothing new.
	if env = w.record("r1"); env.Status.Run != "r3" {
		t.Fatalf("an older run won: %+v", env.Status)
	}
	if env = w.job("r3", "verify", v1alpha1.Succeeded, 10, 11); !env.Status.AutoStopAt.Time.Equal(w.at(11 + 180).Time) {
		t.Errorf("verify: %s", env.Status.AutoStopAt)
	}
	if env = w.job("r3", "stop", v1alpha1.Running, 12, 0); env.Status.State != Stopping {
		t.Errorf("while it stops: %+v", env.Status)
	}
	if env = w.job("r3", "stop", v1alpha1.Failed, 12, 13); env.Status.State != Available {
		t.Errorf("when the stop failed: %+v", env.Status)
	}
	if env = w.job("r3", "stop", v1alpha1.Succeeded, 14, 15); env.Status.State != Stopped || env.Status.AutoStopAt != nil {
		t.Errorf("stopped: %+v", env.Status)
	}
	if env = w.job("r4", "deploy", v1alpha1.Succeeded, 16, 17); env.Status.State != Available {
		t.Errorf("deployed after a stop: %+v", env.Status)
	}
	if env = w.record("r3"); env.Status.State != Available {
		t.Errorf("an old stop won: %+v", env.Status)
	}
}

func TestAutoStop(t *testing.T) {
	w := newWorld(t)
	w.job("r1", "deploy", v1alpha1.Succeeded, 0, 2)
	if _, res := w.keep(); len(w.acts) != 0 || res.RequeueAfter != maxWait {
		t.Fatalf("too early: %v %v", w.acts, res)
	}
	w.clock = w.clock.Add(62 * time.Minute)
	env, _ := w.keep()
	if env.Status.State != Stopping || len(w.acts) != 1 || w.acts[0] != "play r1 stop slipway" {
		t.Fatalf("%+v %v", env.Status, w.acts)
	}
	if w.keep(); len(w.acts) != 1 {
		t.Errorf("asked again: %v", w.acts)
	}
}

func TestBranchDeleted(t *testing.T) {
	w := newWorld(t)
	w.job("r1", "deploy", v1alpha1.Succeeded, 0, 2)
	repo := &v1alpha1.Repository{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "shop"}, repo); err != nil {
		t.Fatal(err)
	}
	refs := repo.Status.Refs
	set := func(r map[string]v1alpha1.RefStatus) {
		repo.Status.Refs = r
		if err := w.Status().Update(t.Context(), repo); err != nil {
			t.Fatal(err)
		}
	}
	set(nil) // not read yet
	if env, _ := w.keep(); env.Status.State != Available {
		t.Fatalf("a repository without refs stops: %+v", env.Status)
	}
	delete(refs, "refs/heads/fix")
	set(refs)
	if env, _ := w.keep(); env.Status.State != Stopping || len(w.acts) != 1 {
		t.Fatalf("%+v %v", env.Status, w.acts)
	}
	w.job("r1", "stop", v1alpha1.Failed, 3, 4)
	if env, _ := w.keep(); env.Status.State != Available || len(w.acts) != 1 {
		t.Errorf("a failed stop is tried for ever: %+v %v", env.Status, w.acts)
	}
}

func TestStopAndRedeployByHand(t *testing.T) {
	w := newWorld(t)
	w.job("r1", "deploy", v1alpha1.Succeeded, 0, 2)
	w.job("r2", "deploy", v1alpha1.Succeeded, 3, 4)
	name := ObjectName("shop", "review/fix")
	if err := w.keeper.Redeploy(t.Context(), "default", name, "r1", "bob"); err != nil || w.acts[0] != "retry r1 deploy bob" {
		t.Fatalf("%v %v", err, w.acts)
	}
	if err := w.keeper.Redeploy(t.Context(), "default", name, "r9", "bob"); !apierrors.IsBadRequest(err) {
		t.Errorf("a run that did not deploy: %v", err)
	}
	w.refuse = true // the job is gone: the environment is stopped by saying so
	if err := w.keeper.Stop(t.Context(), "default", name, "bob"); err != nil {
		t.Fatal(err)
	}
	if env, _ := w.keep(); env.Status.State != Stopped {
		t.Errorf("%+v", env.Status)
	}
	if err := w.keeper.Stop(t.Context(), "default", name, "bob"); !apierrors.IsBadRequest(err) {
		t.Errorf("stopped twice: %v", err)
	}
}

func TestNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"production", "review/fix-1", "review-fix-1", "Review/Fix-1", "über", "///", strings.Repeat("x/", 100)} {
		o := ObjectName("shop", name)
		if other, ok := seen[o]; ok || len(o) > 63 || strings.Trim(o, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || o[0] == '-' {
			t.Errorf("%q and %q are %q", name, other, o)
		}
		seen[o] = name
	}
	for name, want := range map[string]string{"production": "production", "prd": "production", "pre-prod": "staging", "review/x": "development", "qa": "testing", "x": "other"} {
		if got := Tier("", name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestMergeRequestEnds: what its run deployed is stopped when it is closed or merged, and
// only then; what is not known of it is no reason.
func TestMergeRequestEnds(t *testing.T) {
	for state, want := range map[string]string{"opened": Available, "closed": Stopping, "merged": Stopping, "": Available} {
		w := newWorld(t)
		run := &v1alpha1.Run{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "r1"},
			Spec: v1alpha1.RunSpec{Repository: "shop", Commit: "c", Ref: v1alpha1.MergeRequestRef(7)}}
		if err := w.Create(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		run.Status.Jobs = []v1alpha1.JobStatus{{Name: "deploy", Phase: v1alpha1.Pending}, {Name: "stop", Phase: v1alpha1.Pending, Manual: true}}
		if err := w.Status().Update(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		w.job("r1", "deploy", v1alpha1.Succeeded, 0, 2)
		repo := &v1alpha1.Repository{}
		if err := w.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "shop"}, repo); err != nil {
			t.Fatal(err)
		}
		if state != "" {
			repo.Status.MergeRequests = []v1alpha1.MergeRequest{{Number: 7, Source: "fix", Target: "main", State: state}}
		}
		if err := w.Status().Update(t.Context(), repo); err != nil {
			t.Fatal(err)
		}
		if env, _ := w.keep(); env.Status.State != want {
			t.Errorf("%q: %+v", state, env.Status)
		}
	}
}
