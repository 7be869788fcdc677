package run

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/plan"
)

func trigger(name string, change ...func(*plan.Trigger)) plan.Job {
	t := &plan.Trigger{Files: []plan.TriggerFile{{Path: "child.yml"}}, ForwardVariables: true}
	for _, f := range change {
		f(t)
	}
	return plan.Job{Name: name, Trigger: t}
}

func depend(t *plan.Trigger) { t.Depend = true }
func mirror(t *plan.Trigger) { t.Mirror = true }

func project(name string) func(*plan.Trigger) {
	return func(t *plan.Trigger) { t.Files, t.Repository = nil, name }
}

// compiles says what becomes of a run that another one starts.
func (w *world) compiles(run string, jobs ...plan.Job) {
	plan.AssignIDs(jobs)
	for i := range jobs {
		if jobs[i].When == "" {
			jobs[i].When = plan.OnSuccess
		}
	}
	w.gives(run, Compiled{Plan: &plan.Plan{Version: plan.Version, Source: "child.yml", Jobs: jobs}})
}

func (w *world) gives(run string, c Compiled) {
	if w.compiler.of == nil {
		w.compiler.of = map[string]Compiled{}
	}
	w.compiler.of[run] = c
}

// rest lets runs settle, in turn, until none of them changes, and returns the first.
func (w *world) rest(names ...string) *v1alpha1.Run {
	w.t.Helper()
	last := ""
	for range 10 {
		now, first := "", (*v1alpha1.Run)(nil)
		for _, name := range names {
			run := &v1alpha1.Run{}
			if err := w.Get(w.t.Context(), types.NamespacedName{Namespace: "default", Name: name}, run); apierrors.IsNotFound(err) {
				continue
			}
			run = w.settle(name)
			now += name + run.ResourceVersion + " "
			if first == nil {
				first = run
			}
		}
		if now == last {
			return first
		}
		last = now
	}
	w.t.Fatal("the runs do not settle")
	return nil
}

func (w *world) runOf(name string) *v1alpha1.Run {
	w.t.Helper()
	run := &v1alpha1.Run{}
	if err := w.Get(w.t.Context(), types.NamespacedName{Namespace: "default", Name: name}, run); err != nil {
		w.t.Fatal(err)
	}
	return run
}

const kids = "shop-1-kids-c1"

func TestChildIsForWhatItsParentIsFor(t *testing.T) {
	w := newWorld(t, trigger("kids"), plan.Job{Name: "after", Needs: needs("kids")})
	w.compiles(kids, plan.Job{Name: "a"})
	w.push()
	run := w.rest("shop-1", kids)
	// Without a strategy the job is done once the child has begun.
	w.want(run, "kids=Succeeded after=Running Running")
	child := w.runOf(kids)
	w.want(child, "a=Running Running")
	s, up := child.Spec, child.Spec.Parent
	if s.Commit != run.Spec.Commit || s.Ref != run.Spec.Ref || s.Sequence != 1 || s.Cause != v1alpha1.RunCauseChild || s.By != "ann" || sourceOf(child) != "parent_pipeline" {
		t.Errorf("child %+v", s)
	}
	if up == nil || up.Run != "shop-1" || up.Job != "kids" || up.Attempt != 1 || len(up.Upstream) != 1 || up.Upstream[0] != (v1alpha1.Upstream{Run: "shop-1", Repository: "shop", Ref: "refs/heads/main", Cause: "push"}) {
		t.Errorf("parent %+v", up)
	}
	if o := child.OwnerReferences; len(o) != 2 || o[1].Kind != "Run" || o[1].UID != run.UID || child.Labels[v1alpha1.LabelRootRun] != "shop-1" {
		t.Errorf("owners %+v, labels %v", o, child.Labels)
	}
	if js := run.Status.Jobs[0]; js.Child != kids || js.StartedAt == nil || js.FinishedAt == nil || len(run.Status.Children) != 1 {
		t.Errorf("job %+v, children %v", js, run.Status.Children)
	}
	of := w.compiler.origins[kids]
	if of == nil || of.Run.Name != "shop-1" || of.Attempt != "shop-1-kids-1" || len(of.Files) != 1 || of.Files[0].Path != "child.yml" {
		t.Errorf("origin %+v", of)
	}
	rc, err := w.OpenLog(t.Context(), "default", "shop-1", "kids", 0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if got, err := io.ReadAll(rc); err != nil || !strings.Contains(string(got), kids) {
		t.Errorf("log %q, err %v", got, err)
	}
}

func TestChildsEndIsTheJobs(t *testing.T) {
	problem := Compiled{Problems: []v1alpha1.Problem{{File: "child.yml", Line: 3, Column: 5, Message: "unknown key \"scirpt\""}}}
	for name, c := range map[string]struct {
		job   plan.Job
		child Compiled // nothing: one job, a
		end   func(w *world)
		want  string
		says  string
	}{
		"depend, runs":      {job: trigger("kids", depend), want: "kids=Running after=Pending Running"},
		"depend, good":      {job: trigger("kids", depend), end: func(w *world) { w.end(kids+"-a-1", true, 0, "Succeeded") }, want: "kids=Succeeded after=Running Running"},
		"mirror, good":      {job: trigger("kids", mirror), end: func(w *world) { w.end(kids+"-a-1", true, 0, "Succeeded") }, want: "kids=Succeeded after=Running Running"},
		"depend, bad":       {job: trigger("kids", depend), end: func(w *world) { w.end(kids+"-a-1", false, 1, "Failed") }, want: "kids=Failed after=Skipped Failed", says: `run shop-1-kids-c1 failed: job "a" failed`},
		"depend, may fail":  {job: mayFail(trigger("kids", depend)), end: func(w *world) { w.end(kids+"-a-1", false, 1, "Failed") }, want: "kids=Failed after=Running Running"},
		"none, bad":         {job: trigger("kids"), end: func(w *world) { w.end(kids+"-a-1", false, 1, "Failed") }, want: "kids=Succeeded after=Running Running"},
		"none, bad file":    {job: trigger("kids"), child: problem, want: "kids=Failed after=Skipped Failed", says: `run shop-1-kids-c1 did not begin: child.yml:3:5: unknown key "scirpt"`},
		"mirror, bad file":  {job: trigger("kids", mirror), child: problem, want: "kids=Failed after=Skipped Failed", says: "child.yml:3:5"},
		"none, empty":       {job: trigger("kids"), child: Compiled{Plan: &plan.Plan{Empty: "the rules of all jobs leave out this push"}}, want: "kids=Failed after=Skipped Failed", says: "did not begin: the rules of all jobs"},
		"depend, deleted":   {job: trigger("kids", depend), end: func(w *world) { w.remove(kids) }, want: "kids=Failed after=Skipped Failed", says: "run shop-1-kids-c1, which it started, was deleted"},
		"depend, canceled":  {job: trigger("kids", depend), end: func(w *world) { w.cancel(kids); w.end(kids+"-a-1", false, 143, "TaskRunCancelled") }, want: "kids=Canceled after=Skipped Canceled", says: "run shop-1-kids-c1 was canceled"},
		"manual, unplayed":  {job: withWhen(trigger("kids", depend), plan.Manual), want: "kids=Pending after=Pending Running"},
		"on_failure, fine":  {job: withWhen(trigger("kids", depend), plan.OnFailure), want: "kids=Skipped after=Skipped Succeeded"},
		"mirror, is manual": {job: trigger("kids", mirror), child: manualChild(), want: "kids=Running after=Pending Running", says: `waits until somebody starts job "m"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.job, plan.Job{Name: "after", Needs: needs("kids")})
			w.compiles(kids, plan.Job{Name: "a"})
			if c.child.Plan != nil || c.child.Problems != nil {
				w.gives(kids, c.child)
			}
			w.push()
			run := w.rest("shop-1", kids)
			if c.end != nil {
				c.end(w)
				run = w.rest("shop-1", kids)
			}
			w.want(run, c.want)
			if got := run.Status.Jobs[0].Message; !strings.Contains(got, c.says) {
				t.Errorf("message %q, want %q", got, c.says)
			}
			if js := run.Status.Jobs[0]; js.Phase == v1alpha1.Failed && js.Reason != reasonChild && js.Reason != reasonLost {
				t.Errorf("reason %q", js.Reason)
			}
		})
	}
}

func mayFail(j plan.Job) plan.Job { j.AllowFailure = true; return j }

func withWhen(j plan.Job, when plan.When) plan.Job { j.When = when; return j }

func manualChild() Compiled {
	jobs := []plan.Job{{Name: "m", When: plan.Manual}}
	plan.AssignIDs(jobs)
	return Compiled{Plan: &plan.Plan{Version: plan.Version, Source: "child.yml", Jobs: jobs}}
}

func (w *world) cancel(name string) {
	w.t.Helper()
	if err := w.Cancel(w.t.Context(), "default", name, "bob"); err != nil {
		w.t.Fatal(err)
	}
	w.settle(name)
}

// remove a run as the API does, until it is gone.
func (w *world) remove(name string) {
	w.t.Helper()
	if err := w.Delete(w.t.Context(), w.runOf(name)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: name}}); err != nil {
		w.t.Fatal(err)
	}
}

func TestCancelIsPassedDown(t *testing.T) {
	const grand = kids + "-more-c1"
	w := newWorld(t, trigger("kids", depend), trigger("loose"), trigger("cart", project("cart"), depend), plan.Job{Name: "slow"})
	w.repository("cart")
	w.MayStart = func(context.Context, string, string) (bool, error) { return true, nil }
	w.compiles(kids, trigger("more", depend))
	w.compiles(grand, plan.Job{Name: "b"})
	w.compiles("shop-1-loose-c1", plan.Job{Name: "l"})
	w.compiles("shop-1-cart-c1", plan.Job{Name: "c"})
	all := []string{"shop-1", kids, grand, "shop-1-loose-c1", "shop-1-cart-c1"}
	w.push()
	w.want(w.rest(all...), "kids=Running loose=Succeeded cart=Running slow=Running Running")
	w.cancel("shop-1")
	run := w.rest(all...)
	// A run of another repository goes on, and is waited for no more.
	w.want(run, "kids=Running loose=Succeeded cart=Canceled slow=Running Running")
	w.want(w.runOf("shop-1-cart-c1"), "c=Running Running")
	for _, name := range []string{kids, grand, "shop-1-loose-c1"} {
		if !w.runOf(name).Spec.Cancel {
			t.Errorf("%s is not to be canceled", name)
		}
	}
	w.end(grand+"-b-1", false, 143, "TaskRunCancelled")
	w.end("shop-1-loose-c1-l-1", false, 143, "TaskRunCancelled")
	w.end("shop-1-slow-1", false, 143, "TaskRunCancelled")
	run = w.rest(all...)
	w.want(run, "kids=Canceled loose=Succeeded cart=Canceled slow=Canceled Canceled")
	if got := run.Status.Jobs[0].Message; got != "canceled by bob" {
		t.Errorf("message %q", got)
	}
	if got := w.runOf(grand); got.Status.Phase != v1alpha1.Canceled || got.Status.Jobs[0].Message != "canceled by run "+kids {
		t.Errorf("grandchild %s: %q", got.Status.Phase, got.Status.Jobs[0].Message)
	}
	// What somebody asks of the child now is not canceled again.
	if err := w.Act(t.Context(), "default", grand, v1alpha1.RunAction{Verb: verbRetry, Job: "b", By: "ann"}); err != nil {
		t.Fatal(err)
	}
	w.rest(all...)
	w.want(w.runOf(grand), "b=Running/2 Running")
}

func TestRetryMakesANewChildAndResumesAnOldOne(t *testing.T) {
	w := newWorld(t, trigger("kids", depend), plan.Job{Name: "after", Needs: needs("kids")})
	w.compiles(kids, plan.Job{Name: "a"})
	w.compiles("shop-1-kids-c2", plan.Job{Name: "a"})
	w.push()
	w.rest("shop-1", kids)
	w.end(kids+"-a-1", false, 1, "Failed")
	w.want(w.rest("shop-1", kids), "kids=Failed after=Skipped Failed")
	// A job of the child is done again: its parent goes on too.
	if err := w.Act(t.Context(), "default", kids, v1alpha1.RunAction{Verb: verbRetry, Job: "a", By: "ann"}); err != nil {
		t.Fatal(err)
	}
	run := w.rest(kids, "shop-1")
	w.want(run, "a=Running/2 Running")
	run = w.runOf("shop-1")
	w.want(run, "kids=Running after=Pending Running")
	if run.Status.FinishedAt != nil || run.Status.Jobs[0].FinishedAt != nil {
		t.Errorf("status %+v", run.Status)
	}
	w.end(kids+"-a-2", false, 1, "Failed")
	w.want(w.rest("shop-1", kids), "kids=Failed after=Skipped Failed")
	// The job itself: another child.
	run = w.act("retry kids")
	w.want(run, "kids=Running/2 after=Pending Running")
	run = w.rest("shop-1", "shop-1-kids-c2")
	if got := run.Status.Jobs[0]; got.Child != "shop-1-kids-c2" || got.Attempts[0].Child != kids || len(run.Status.Children) != 2 {
		t.Errorf("job %+v, children %v", got, run.Status.Children)
	}
	w.end("shop-1-kids-c2-a-1", true, 0, "Succeeded")
	w.want(w.rest("shop-1", "shop-1-kids-c2"), "kids=Succeeded/2 after=Running Running")
}

// TestChildIsMadeOnce fails each write in turn, as kill -9 would, and finds the same end.
func TestChildIsMadeOnce(t *testing.T) {
	for fail := range 14 {
		w := newWorld(t, trigger("kids", depend))
		w.compiles(kids, plan.Job{Name: "a"})
		w.push()
		w.crashAt(fail)
		run := w.rest("shop-1", kids)
		if got := fmt.Sprintln(phases(run), w.runNames(), w.taskRuns(), run.Status.Children); got != "kids=Running Running [shop-1 shop-1-kids-c1] [shop-1-kids-c1-a-1] [shop-1-kids-c1]\n" {
			t.Fatalf("crash at write %d: %s", fail, got)
		}
		if w.live != nil {
			w.restart()
		}
		w.end(kids+"-a-1", true, 0, "Succeeded")
		w.want(w.rest("shop-1", kids), "kids=Succeeded Succeeded")
	}
}

// TestCanceledBeforeItWasMade: a job that is to stop makes no child, and stops one that
// was made a moment ago.
func TestCanceledBeforeItWasMade(t *testing.T) {
	for fail := range 10 {
		w := newWorld(t, trigger("kids", depend))
		w.compiles(kids, plan.Job{Name: "a"})
		w.push()
		w.crashAt(fail)
		key := types.NamespacedName{Namespace: "default", Name: "shop-1"}
		var err error
		for range 10 {
			if _, err = w.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
				break
			}
		}
		if w.live != nil {
			w.restart()
		}
		w.cancel("shop-1")
		run := w.rest("shop-1", kids)
		for _, name := range w.taskRuns() {
			w.end(name, false, 143, "TaskRunCancelled")
			run = w.rest("shop-1", kids)
		}
		if run.Status.Phase != v1alpha1.Canceled {
			t.Errorf("crash at write %d (%v): %s", fail, err, phases(run))
		}
		for _, name := range w.runNames() {
			if got := w.runOf(name); !got.Status.Phase.Finished() {
				t.Errorf("crash at write %d: run %s is %s", fail, name, got.Status.Phase)
			}
		}
	}
}

func TestChildGoesWithItsParent(t *testing.T) {
	const grand = kids + "-more-c1"
	w := newWorld(t, trigger("kids", depend), trigger("cart", project("cart")))
	w.repository("cart")
	w.MayStart = func(context.Context, string, string) (bool, error) { return true, nil }
	w.compiles(kids, trigger("more", depend))
	w.compiles(grand, plan.Job{Name: "b"})
	w.compiles("shop-1-cart-c1", plan.Job{Name: "c"})
	w.push()
	w.rest("shop-1", kids, grand, "shop-1-cart-c1")
	w.remove("shop-1")
	for _, name := range []string{kids, grand} {
		if _, err := w.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(w.runNames()); got != "[shop-1-cart-c1]" {
		t.Errorf("runs %s", got)
	}
}

func TestNewerCommitEndsParentAndChildEachForItself(t *testing.T) {
	for _, fixed := range []bool{false, true} {
		w := newWorld(t, trigger("kids", depend))
		w.compiles(kids, plan.Job{Name: "a", Interruptible: !fixed})
		w.push()
		w.rest("shop-1", kids)
		w.advance("main")
		run := w.rest("shop-1", kids)
		if got := run.Status.Jobs[0]; got.Phase != v1alpha1.Canceled || got.Message != "superseded by run shop-2" {
			t.Errorf("job %+v", got)
		}
		child := w.runOf(kids)
		if stops := child.Status.Jobs[0].StoppingAt != nil; stops == fixed || child.Spec.Cancel {
			t.Errorf("interruptible %v: the child's job is to stop: %v", !fixed, stops)
		}
	}
}

// advance a branch of the repository by one commit.
func (w *world) advance(branch string) {
	w.t.Helper()
	repo := &v1alpha1.Repository{}
	if err := w.Get(w.t.Context(), repoKey, repo); err != nil {
		w.t.Fatal(err)
	}
	repo.Status.Sequence++
	repo.Status.Refs["refs/heads/"+branch] = v1alpha1.RefStatus{Commit: strings.Repeat("b", 40), Sequence: repo.Status.Sequence, Via: "push", By: "ann", Seen: metav1.Now()}
	if err := w.Status().Update(w.t.Context(), repo); err != nil {
		w.t.Fatal(err)
	}
}

// repository of another name, with one commit.
func (w *world) repository(name string, change ...func(*v1alpha1.Repository)) {
	w.t.Helper()
	repo := &v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)},
		Status: v1alpha1.RepositoryStatus{DefaultBranch: "main", Sequence: 4, Refs: map[string]v1alpha1.RefStatus{
			"refs/heads/main": {Commit: strings.Repeat("c", 40), Before: strings.Repeat("d", 40), Sequence: 3}, "refs/heads/stable": {Commit: strings.Repeat("e", 40), Sequence: 4},
		}}}
	for _, f := range change {
		f(repo)
	}
	if err := w.Create(w.t.Context(), repo); err != nil {
		w.t.Fatal(err)
	}
}

// TestArtifactsOfAChildStayWithItsParents: of the newest run of a branch they are kept.
func TestArtifactsOfAChildStayWithItsParents(t *testing.T) {
	w := newWorld(t, trigger("kids", depend), plan.Job{Name: "b"})
	w.compiles(kids, plan.Job{Name: "a"})
	w.push()
	w.rest("shop-1", kids)
	past := metav1.NewTime(time.Now().Add(-time.Hour))
	for _, at := range []struct {
		run string
		job int
	}{{"shop-1", 1}, {kids, 0}} {
		run := w.runOf(at.run)
		run.Status.Jobs[at.job].Artifacts, run.Status.Jobs[at.job].ArtifactsExpire = true, &past
		if err := w.Status().Update(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	w.end(kids+"-a-1", true, 0, "Succeeded")
	w.end("shop-1-b-1", true, 0, "Succeeded")
	w.want(w.rest("shop-1", kids), "kids=Succeeded b=Succeeded Succeeded")
	look := func() string {
		if err := w.expire(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(w.runOf("shop-1").Status.Jobs[1].Artifacts, w.runOf(kids).Status.Jobs[0].Artifacts)
	}
	if got := look(); got != "true true" {
		t.Errorf("kept %s", got)
	}
	newer := newRun(&v1alpha1.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}}, "refs/heads/main", v1alpha1.RefStatus{Commit: "c", Sequence: 2})
	newer.Name, newer.Spec.Cause, newer.Status.Phase = "shop-2", "push", v1alpha1.Succeeded
	if err := w.Create(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	newer.Status.Phase = v1alpha1.Succeeded
	if err := w.Status().Update(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	if got := look(); got != "false false" {
		t.Errorf("kept beside a newer run: %s", got)
	}
}

// TestChildOfAFork: what was approved is so with its children, which have no more than it;
// runs of other repositories it starts none.
func TestChildOfAFork(t *testing.T) {
	const child = "shop-2-kids-c1"
	w := newWorld(t, trigger("kids", depend), trigger("cart", project("cart"), func(t *plan.Trigger) { t.Depend = true }))
	w.repository("cart", func(r *v1alpha1.Repository) { r.Spec.TriggeredBy = []string{"shop"} })
	w.compiles(child, plan.Job{Name: "a"})
	w.requests(request(fork))
	if run := w.settle("shop-2"); run.Status.Phase != v1alpha1.Pending {
		t.Fatalf("%+v", run.Status)
	}
	if err := w.Act(t.Context(), "default", "shop-2", v1alpha1.RunAction{Verb: verbApprove, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	run := w.rest("shop-2", child)
	w.want(run, "kids=Running cart=Failed Running")
	if js := run.Status.Jobs[1]; !strings.Contains(js.Message, "the merge request of a fork starts no runs of other repositories") {
		t.Errorf("job %+v", js)
	}
	w.want(w.runOf(child), "a=Running Running")
	if !untrusted(w.runOf(child)) {
		t.Error("the child is trusted")
	}
	// One that only says that it is a child waits, or is none.
	forged := w.runOf(child).DeepCopy()
	forged.Name, forged.ResourceVersion, forged.UID, forged.Status = "mine", "", "", v1alpha1.RunStatus{}
	if err := w.Create(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	if run := w.settle("mine"); run.Status.Phase != v1alpha1.Failed || len(run.Status.Jobs) != 0 {
		t.Errorf("%+v", run.Status)
	}
	// The end of the merge request is that of both, each by its own rules.
	w.requests(request(fork, closed, func(m *v1alpha1.MergeRequest) { m.Seen = &metav1.Time{Time: time.Now().Add(time.Minute)} }))
	run = w.rest("shop-2", child)
	if js := run.Status.Jobs[0]; js.Phase != v1alpha1.Canceled || js.Message != "merge request 7 is closed" {
		t.Errorf("job %+v", js)
	}
	if got := w.runOf(child); got.Spec.Cancel {
		t.Errorf("the child was canceled: %+v", got.Status)
	}
}

// TestRunOfAMergeRequestDoneAgain: it is wanted whatever became of the merge request, and
// so are its children.
func TestRunOfAMergeRequestDoneAgain(t *testing.T) {
	const again = "shop-2-r1"
	w := newWorld(t, trigger("kids", depend))
	w.compiles("shop-2-kids-c1", plan.Job{Name: "a", Interruptible: true})
	w.compiles(again+"-kids-c1", plan.Job{Name: "a", Interruptible: true})
	w.requests(request())
	w.rest("shop-2", "shop-2-kids-c1")
	w.requests(request(closed))
	w.rest("shop-2", "shop-2-kids-c1")
	if js := w.runOf("shop-2-kids-c1").Status.Jobs[0]; js.StoppingAt == nil || js.Message != "merge request 7 is closed" {
		t.Errorf("child's job %+v", js)
	}
	if _, err := w.Rerun(t.Context(), "default", "shop-2", "ann"); err != nil {
		t.Fatal(err)
	}
	w.want(w.rest(again, again+"-kids-c1"), "kids=Running Running")
	child := w.runOf(again + "-kids-c1")
	w.want(child, "a=Running Running")
	if child.Status.Jobs[0].StoppingAt != nil || sourceOf(child) != "parent_pipeline" {
		t.Errorf("child %+v", child.Status.Jobs[0])
	}
}
