package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/jobapi"
	"slipway.dev/pipelines/plan"
	"slipway.dev/pipelines/variables"
)

// requests puts merge requests into the status of the repository, and looks at it.
func (w *world) requests(list ...v1alpha1.MergeRequest) {
	w.t.Helper()
	repo := &v1alpha1.Repository{}
	if err := w.Get(w.t.Context(), repoKey, repo); err != nil {
		w.t.Fatal(err)
	}
	repo.Status.MergeRequests = list
	for _, m := range list {
		repo.Status.Sequence = max(repo.Status.Sequence, m.Sequence)
	}
	if err := w.Status().Update(w.t.Context(), repo); err != nil {
		w.t.Fatal(err)
	}
	w.push()
}

func request(f ...func(*v1alpha1.MergeRequest)) v1alpha1.MergeRequest {
	seen := metav1.Now()
	m := v1alpha1.MergeRequest{
		Number: 7, Title: "Add a cart", Author: "bob", Source: "topic", Target: "main", Commit: strings.Repeat("b", 40), Sequence: 2,
		State: v1alpha1.MergeRequestOpened, URL: "https://forge/7", Updated: seen, Seen: &seen,
	}
	for _, f := range f {
		f(&m)
	}
	return m
}

func fork(m *v1alpha1.MergeRequest)    { m.Fork, m.Source, m.SourceProject = true, "main", "mallory/shop" }
func closed(m *v1alpha1.MergeRequest)  { m.State = v1alpha1.MergeRequestClosed }
func further(m *v1alpha1.MergeRequest) { m.Commit, m.Sequence = strings.Repeat("c", 40), 3 }

func (w *world) runNames() (names []string) {
	w.t.Helper()
	list := &v1alpha1.RunList{}
	if err := w.List(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

func TestMergeRequestsMakeRuns(t *testing.T) {
	for _, c := range []struct {
		name, policy string
		request      v1alpha1.MergeRequest
		want         bool
	}{
		{"opened", "", request(), true},
		{"of a fork", "", request(fork), true},
		{"closed", "", request(closed), false},
		{"not fetched yet", "", request(func(m *v1alpha1.MergeRequest) { m.Commit, m.Sequence = "", 0 }), false},
		{"none wanted", "none", request(), false},
		{"none of forks wanted", "branches", request(fork), false},
		{"of branches wanted", "branches", request(), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, plan.Job{Name: "a"})
			w.push()
			repo := &v1alpha1.Repository{}
			if err := w.Get(t.Context(), repoKey, repo); err != nil {
				t.Fatal(err)
			}
			repo.Spec.MergeRequests = c.policy
			if err := w.Update(t.Context(), repo); err != nil {
				t.Fatal(err)
			}
			w.requests(c.request)
			w.requests(c.request) // the same again makes nothing
			if got := slices.Contains(w.runNames(), "shop-2"); got != c.want || len(w.runNames()) > 2 {
				t.Fatalf("runs %v", w.runNames())
			}
			if !c.want {
				return
			}
			run, err := w.run(t.Context(), "default", "shop-2")
			if err != nil {
				t.Fatal(err)
			}
			s := run.Spec
			if s.Cause != causeMergeRequest || s.Ref != "refs/merge-requests/7/head" || s.Target != "refs/heads/main" || s.Commit != c.request.Commit || s.Sequence != 2 ||
				s.MergeRequest == nil || s.MergeRequest.Number != 7 || s.MergeRequest.Source != c.request.Source || s.MergeRequest.Fork != c.request.Fork || s.By != "" {
				t.Errorf("%+v %+v", s, s.MergeRequest)
			}
			if sourceOf(run) != "merge_request_event" {
				t.Error(sourceOf(run))
			}
		})
	}
}

// compiling counts what is compiled.
type compiling struct {
	Compiler
	n int
}

func (c *compiling) Compile(ctx context.Context, run *v1alpha1.Run, repo *v1alpha1.Repository, of *Origin) (Compiled, error) {
	c.n++
	return c.Compiler.Compile(ctx, run, repo, of)
}

// TestForkNeedsApproval is threat 12: until somebody has looked, nothing of a fork is
// read or started; then it runs without secrets, tokens and environments.
func TestForkNeedsApproval(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	count := &compiling{Compiler: w.compiler}
	w.Compiler = count
	w.requests(request(fork))
	run := w.settle("shop-2")
	if run.Status.Phase != v1alpha1.Pending || count.n != 0 || len(w.taskRuns()) != 0 || run.Status.Approval == nil || run.Status.Approval.By != "" ||
		!strings.Contains(run.Status.Message, "mallory/shop") {
		t.Fatalf("%+v, compiled %d times, task runs %v", run.Status, count.n, w.taskRuns())
	}
	if err := w.Act(t.Context(), "default", "shop-2", v1alpha1.RunAction{Verb: verbPlay, Job: "a", By: "eve"}); err == nil {
		t.Fatal("a job of it was played")
	}
	approve := v1alpha1.RunAction{Verb: verbApprove, By: "ann"}
	if err := w.Act(t.Context(), "default", "shop-2", approve); err != nil {
		t.Fatal(err)
	}
	run = w.settle("shop-2")
	if a := run.Status.Approval; a.By != "ann" || a.At == nil || run.Status.Phase != v1alpha1.Running || run.Status.Message != "" || count.n != 1 || len(w.taskRuns()) != 1 {
		t.Fatalf("%+v, compiled %d times, task runs %v", run.Status, count.n, w.taskRuns())
	}
	if err := w.Act(t.Context(), "default", "shop-2", approve); err == nil || !strings.Contains(err.Error(), "already, by ann") {
		t.Fatal(err)
	}
	// Done again by somebody who may, it needs no second look.
	again, err := w.Rerun(t.Context(), "default", "shop-2", "bob")
	if err != nil || !untrusted(again) {
		t.Fatal(again, err)
	}
	if run := w.settle(again.Name); run.Status.Approval == nil || run.Status.Approval.By != "bob" || run.Status.Phase != v1alpha1.Running {
		t.Fatalf("%+v", run.Status)
	}
	// A further commit needs another.
	w.requests(request(fork, further))
	if run := w.settle("shop-3"); run.Status.Phase != v1alpha1.Pending || run.Status.Approval.By != "" {
		t.Fatalf("%+v", run.Status)
	}
}

func TestApprovalOfWhatNeedsNone(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.push()
	w.settle("shop-1")
	if err := w.Act(t.Context(), "default", "shop-1", v1alpha1.RunAction{Verb: verbApprove, By: "ann"}); err == nil || !strings.Contains(err.Error(), "asks for no approval") {
		t.Fatal(err)
	}
	w.requests(request(fork))
	w.settle("shop-2")
	if err := w.Cancel(t.Context(), "default", "shop-2", "ann"); err != nil {
		t.Fatal(err)
	}
	if run := w.settle("shop-2"); run.Status.Phase != v1alpha1.Canceled {
		t.Fatalf("%+v", run.Status)
	}
	if err := w.Act(t.Context(), "default", "shop-2", v1alpha1.RunAction{Verb: verbApprove, By: "ann"}); err == nil || !strings.Contains(err.Error(), "does not wait") {
		t.Fatal(err)
	}
}

// TestForkHasNoSecrets: neither its plan nor its attempts get any, nor an environment.
func TestForkHasNoSecrets(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a", Secrets: []plan.SecretRef{{Variable: "PLANTED"}}, IDTokens: []plan.IDToken{{Variable: "TOKEN", Audiences: []string{"x"}}}})
	for _, v := range []variables.Variable{{Name: "PLANTED"}, {Name: "PLANTED", Repository: "shop"}} {
		if err := w.Variables.Set(t.Context(), "default", v, []byte("planted value")); err != nil {
			t.Fatal(err)
		}
	}
	known, err := w.Variables.Snapshot(t.Context(), "default", variables.Run{Repository: "shop"})
	if err != nil || len(known.Refs()) != 2 {
		t.Fatal(known.Refs(), err)
	}
	w.compiler.Plan.Jobs[0].Secrets = known.Refs()
	env := func(run string) string {
		t.Helper()
		w.settle(run)
		job, err := w.Job(t.Context(), jobapi.Ref{Namespace: "default", Run: run, Job: "a", Attempt: 1})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%+v", job)
	}
	w.compiler.Plan.Jobs[0].IDTokens = nil
	w.push()
	if !strings.Contains(env("shop-1"), "planted value") {
		t.Fatal("the test shows nothing: a run of a branch has no secret either")
	}
	w.compiler.Plan.Jobs[0].IDTokens = []plan.IDToken{{Variable: "TOKEN", Audiences: []string{"x"}}} // there is no Signer: it would panic
	w.requests(request(fork))
	w.settle("shop-2")
	if err := w.Act(t.Context(), "default", "shop-2", v1alpha1.RunAction{Verb: verbApprove, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	if got := env("shop-2"); strings.Contains(got, "planted value") || strings.Contains(got, "TOKEN:") {
		t.Fatal(got)
	}
	run, err := w.run(t.Context(), "default", "shop-2")
	if err != nil {
		t.Fatal(err)
	}
	if s := cacheScope(run, false); s.MergeRequest != 7 || s.Protected {
		t.Errorf("%+v", s)
	}
}

func TestRestrict(t *testing.T) {
	p := &plan.Plan{Source: ".gitlab-ci.yml", Jobs: []plan.Job{
		{Name: "deploy", Environment: &plan.Environment{Name: "production"}, Deploy: &plan.Deploy{}, Secrets: []plan.SecretRef{{Variable: "A"}}, IDTokens: []plan.IDToken{{}}},
		{Name: "child", Trigger: &plan.Trigger{Files: []plan.TriggerFile{{Path: "a.yml"}}}},
		{Name: "other", Trigger: &plan.Trigger{Repository: "cart"}},
	}}
	problems := restrict(p)
	if j := p.Jobs[0]; j.Environment != nil || j.Deploy != nil || j.Secrets != nil || j.IDTokens != nil {
		t.Errorf("%+v", j)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Message, `"other"`) {
		t.Errorf("%+v", problems)
	}
}

func TestEndOfMergeRequestEndsItsRuns(t *testing.T) {
	for _, c := range []struct {
		name          string
		interruptible bool
		request       func(*v1alpha1.MergeRequest)
		asked         bool
		phase         v1alpha1.Phase
		message       string
	}{
		{"closed", true, closed, false, v1alpha1.Canceled, "merge request 7 is closed"},
		{"merged", true, func(m *v1alpha1.MergeRequest) { m.State = v1alpha1.MergeRequestMerged }, false, v1alpha1.Canceled, "merge request 7 is merged"},
		{"may not be interrupted", false, closed, false, v1alpha1.Running, ""},
		{"a newer head", true, further, false, v1alpha1.Canceled, "superseded by run shop-3"},
		{"somebody wants it", true, closed, true, v1alpha1.Running, ""},
		{"not known any more", true, nil, false, v1alpha1.Running, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, plan.Job{Name: "a", Interruptible: c.interruptible}, plan.Job{Name: "m", When: plan.Manual, AllowFailure: true, Interruptible: true})
			w.requests(request())
			if run := w.settle("shop-2"); run.Status.Phase != v1alpha1.Running {
				t.Fatalf("%+v", run.Status)
			}
			at := metav1.NewTime(time.Now().Add(-time.Minute))
			if c.asked {
				if err := w.Act(t.Context(), "default", "shop-2", v1alpha1.RunAction{Verb: verbPlay, Job: "m", By: "ann"}); err != nil {
					t.Fatal(err)
				}
			}
			if c.request == nil {
				w.requests()
			} else {
				w.requests(request(c.request, func(m *v1alpha1.MergeRequest) { m.Seen = &at }))
			}
			w.settle("shop-2")
			if c.phase == v1alpha1.Canceled {
				w.end("shop-2-a-1", false, 143, "TaskRunCancelled")
			}
			run := w.settle("shop-2")
			if run.Status.Phase != c.phase || run.Status.Message != c.message {
				t.Fatalf("%s %q", run.Status.Phase, run.Status.Message)
			}
		})
	}
}

// TestClosedWhileItWaits: nobody needs to approve what is over, and the run is told so
// by the repository's change alone.
func TestClosedWhileItWaits(t *testing.T) {
	w := newWorld(t, plan.Job{Name: "a"})
	w.requests(request(fork))
	w.settle("shop-2")
	w.requests(request(fork, closed))
	repo := &v1alpha1.Repository{}
	if err := w.Get(t.Context(), repoKey, repo); err != nil {
		t.Fatal(err)
	}
	affected := w.affected(t.Context(), repo)
	if len(affected) != 1 || affected[0].Name != "shop-2" {
		t.Fatal(affected)
	}
	if run := w.settle("shop-2"); run.Status.Phase != v1alpha1.Canceled || run.Status.Message != "merge request 7 is closed" {
		t.Fatalf("%+v", run.Status)
	}
	if affected := w.affected(t.Context(), repo); len(affected) != 0 {
		t.Fatal(affected)
	}
	// Made again by hand, it is wanted whatever became of the merge request.
	again, err := w.Rerun(t.Context(), "default", "shop-2", "ann")
	if err != nil {
		t.Fatal(err)
	}
	if run := w.settle(again.Name); run.Status.Phase != v1alpha1.Pending || run.Status.Approval.By != "" {
		t.Fatalf("%+v", run.Status)
	}
}

func TestVariablesOfMergeRequests(t *testing.T) {
	w := newWorld(t)
	if err := w.Variables.Set(t.Context(), "default", variables.Variable{Name: "PLANTED"}, []byte("planted value")); err != nil {
		t.Fatal(err)
	}
	d := &Detector{
		Source: bare{}, Variables: w.Variables,
		Describe: func(context.Context, string, string, string) (string, string, time.Time, error) {
			return "of the commit\n\nmore", "Ann <ann@example.org>", time.Time{}, nil
		},
	}
	repo := &v1alpha1.Repository{}
	if err := w.Get(t.Context(), repoKey, repo); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		request v1alpha1.MergeRequest
		want    map[string]string
	}{
		{"of a branch", request(), map[string]string{
			"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "7", "CI_MERGE_REQUEST_TITLE": "Add a cart", "CI_MERGE_REQUEST_DESCRIPTION": "",
			"CI_MERGE_REQUEST_REF_PATH": "refs/merge-requests/7/head", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "topic", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
			"CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "default/shop", "CI_COMMIT_REF_NAME": "topic", "CI_COMMIT_BRANCH": "", "CI_COMMIT_REF_PROTECTED": "false", "CI_MERGE_REQUEST_DRAFT": "",
			"CI_COMMIT_BEFORE_SHA": strings.Repeat("0", 40),
		}},
		{"of a fork's main", request(fork, func(m *v1alpha1.MergeRequest) { m.Draft = true }), map[string]string{
			"CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main", "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "mallory/shop", "CI_COMMIT_REF_NAME": "main",
			"CI_COMMIT_REF_PROTECTED": "false", "CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED": "", "CI_MERGE_REQUEST_DRAFT": "true",
		}},
	} {
		compiled, err := d.Compile(t.Context(), ofRequest(repo, &c.request), repo, nil)
		if err != nil || compiled.Plan == nil {
			t.Fatalf("%s: %+v %v", c.name, compiled, err)
		}
		got := map[string]string{}
		for _, v := range compiled.Plan.Predefined {
			got[v.Name] = v.Value
		}
		for name, want := range c.want {
			if got[name] != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got[name], want)
			}
		}
	}
}
