package commitstatus

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Each forge is asked in the form that its documentation gives.
func TestWordsOfEachForge(t *testing.T) {
	for _, c := range []struct {
		kind, path, header, token, context string
		states                             []string
	}{
		{GitHub, "POST /api/v3/repos/acme/shop/statuses/" + commit, "Authorization", "Bearer " + secret, "context", []string{"pending", "pending", "success", "failure", "error"}},
		{Gitea, "POST /api/v1/repos/acme/shop/statuses/" + commit, "Authorization", "token " + secret, "context", []string{"pending", "pending", "success", "failure", "error"}},
		{GitLab, "POST /api/v4/projects/acme%2Fshop/statuses/" + commit, "Private-Token", secret, "name", []string{"pending", "running", "success", "failed", "canceled"}},
	} {
		w := newWorld(t, c.kind)
		for _, phase := range []v1alpha1.Phase{"", v1alpha1.Running, v1alpha1.Succeeded, v1alpha1.Failed, v1alpha1.Canceled} {
			w.run("shop-1", phase)
			w.look("shop-1")
			w.look("shop-1") // nothing new to say
		}
		if got := w.states(); !slices.Equal(got, c.states) {
			t.Errorf("%s: %v, want %v", c.kind, got, c.states)
		}
		last := w.got[2]
		if last.path != c.path || last.header.Get(c.header) != c.token {
			t.Errorf("%s: %s %v", c.kind, last.path, last.header)
		}
		if last.body[c.context] != "slipway/shop" || last.body["target_url"] != "https://slipway.example/runs/default/shop-1" || last.body["description"] != "passed in 1m5s" {
			t.Errorf("%s: %v", c.kind, last.body)
		}
		if ref := last.body["ref"]; c.kind == GitLab && ref != "main" {
			t.Errorf("ref %v", ref)
		}
		if c := w.condition(); c.Status != "True" {
			t.Errorf("%+v", c)
		}
	}
}

func TestTroubleThenTaken(t *testing.T) {
	w := newWorld(t, GitHub)
	w.run("shop-1", v1alpha1.Succeeded)
	w.answer(500, "oh")
	w.answer(502, "oh")
	res := w.look("shop-1")
	if res.RequeueAfter < 700*time.Millisecond || res.RequeueAfter > 2*time.Second {
		t.Errorf("first pause %s", res.RequeueAfter)
	}
	if early := w.look("shop-1"); early.RequeueAfter <= 0 || len(w.got) != 1 {
		t.Errorf("asked in the pause: %d requests", len(w.got))
	}
	res = w.again("shop-1", res)
	if w.again("shop-1", res); len(w.got) != 3 {
		t.Errorf("%d requests", len(w.got))
	}
	if c := w.condition(); c.Status != "True" || w.said() != "" {
		t.Errorf("a short trouble is told: %+v", c)
	}
	w.run("shop-2", v1alpha1.Succeeded, other)
	for range 3 {
		w.answer(503, "")
	}
	res = w.look("shop-2")
	res = w.again("shop-2", res)
	res = w.again("shop-2", res)
	if c := w.condition(); c.Reason != "Unreachable" {
		t.Errorf("a long trouble is not told: %+v", c)
	}
	if w.again("shop-2", res); w.condition().Status != "True" {
		t.Errorf("its end is not told: %+v", w.condition())
	}
}

func other(r *v1alpha1.Run) { r.Spec.Commit = strings.Repeat("b", 40) }

func TestForgeIsLeftAloneAsItAsks(t *testing.T) {
	for name, c := range map[string]struct {
		code   int
		header []string
		body   string
		min    time.Duration
	}{
		"retry after":            {429, []string{"Retry-After", "120"}, "", 2 * time.Minute},
		"retry after a date":     {429, []string{"Retry-After", "Thu, 01 Jan 2026 00:05:00 GMT"}, "", 5 * time.Minute},
		"no word of when":        {429, nil, "", time.Minute},
		"github primary limit":   {403, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", fmt.Sprint(time.Date(2026, 1, 1, 0, 30, 0, 0, time.UTC).Unix())}, "", 30 * time.Minute},
		"github secondary limit": {403, nil, `{"message":"You have exceeded a secondary rate limit."}`, time.Minute},
		"endless":                {429, []string{"Retry-After", "99999999999"}, "", 2 * time.Hour},
		"unavailable":            {503, []string{"Retry-After", "30"}, "", 30 * time.Second},
	} {
		w := newWorld(t, GitHub)
		w.run("shop-1", v1alpha1.Succeeded)
		w.run("shop-2", v1alpha1.Succeeded, other)
		w.answer(c.code, c.body, c.header...)
		res := w.look("shop-1")
		if res.RequeueAfter < c.min || res.RequeueAfter > c.min+2*time.Second {
			t.Errorf("%s: again in %s, want %s", name, res.RequeueAfter, c.min)
		}
		if w.look("shop-2"); len(w.got) != 1 {
			t.Errorf("%s: another run of the repository is told meanwhile", name)
		}
		if w.again("shop-1", res); !slices.Equal(w.states(), []string{"success", "success"}) {
			t.Errorf("%s: %v", name, w.states())
		}
	}
}

func TestNoRequestWhereNoneIsLeft(t *testing.T) {
	w := newWorld(t, GitLab)
	w.run("shop-1", v1alpha1.Running)
	w.answer(201, "{}", "RateLimit-Remaining", "0", "RateLimit-Reset", fmt.Sprint(w.clock.Add(time.Minute).Unix()))
	w.look("shop-1")
	w.run("shop-1", v1alpha1.Succeeded)
	res := w.look("shop-1")
	if len(w.got) != 1 || res.RequeueAfter < 59*time.Second {
		t.Fatalf("%v, again in %s", w.states(), res.RequeueAfter)
	}
	if w.again("shop-1", res); !slices.Equal(w.states(), []string{"running", "success"}) {
		t.Error(w.states())
	}
}

// A token that is refused is told where people look, without the token, and a change
// of the Repository is tried at once.
func TestRefusedToken(t *testing.T) {
	w := newWorld(t, Gitea)
	w.run("shop-1", v1alpha1.Succeeded)
	w.answer(401, `{"message":"token `+secret+` is bad"}`)
	res := w.look("shop-1")
	if res.RequeueAfter < 40*time.Second {
		t.Errorf("asked again in %s", res.RequeueAfter)
	}
	c, said := w.condition(), w.said()
	if c.Status != "False" || c.Reason != "Unauthorized" || !strings.Contains(c.Message, "401") || !strings.Contains(c.Message, "tokenSecret") || !strings.Contains(said, "StatusNotTaken") {
		t.Errorf("%+v %q", c, said)
	}
	if strings.Contains(c.Message+said, secret) {
		t.Errorf("the token is told: %s %s", c.Message, said)
	}
	if w.look("shop-1"); len(w.got) != 1 {
		t.Error("a refused token is tried over and over")
	}
	w.change(func(r *v1alpha1.Repository) { r.Spec.Forge.Context = "ci" })
	w.look("shop-1")
	if len(w.got) != 2 || w.got[1].body["context"] != "ci" || w.condition().Status != "True" {
		t.Errorf("%v %+v", w.got, w.condition())
	}
}

// A commit that the forge does not have holds up no other.
func TestRefusedCommit(t *testing.T) {
	w := newWorld(t, GitHub)
	w.run("shop-1", v1alpha1.Succeeded)
	w.run("shop-2", v1alpha1.Succeeded, other)
	w.answer(422, `{"message":"No commit found for SHA"}`)
	res := w.look("shop-1")
	if w.look("shop-1"); len(w.got) != 1 {
		t.Error("asked in the pause")
	}
	if w.look("shop-2"); len(w.got) != 2 {
		t.Error("another commit waits for it")
	}
	if w.again("shop-1", res); len(w.got) != 3 {
		t.Errorf("%d requests", len(w.got))
	}
}

func TestRestart(t *testing.T) {
	w := newWorld(t, GitLab)
	w.run("shop-1", v1alpha1.Running)
	w.look("shop-1")
	w.restart()
	if w.look("shop-1"); len(w.got) != 1 {
		t.Errorf("said again after a restart: %v", w.states())
	}
	w.run("shop-1", v1alpha1.Succeeded) // ended while the server was away
	w.restart()
	if w.look("shop-1"); !slices.Equal(w.states(), []string{"running", "success"}) {
		t.Errorf("lost over a restart: %v", w.states())
	}
	// Killed between the answer and the note of it: GitLab refuses the repetition.
	run := &v1alpha1.Run{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "shop-1"}, run); err != nil {
		t.Fatal(err)
	}
	run.Status.Reported = nil
	if err := w.Status().Update(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	w.restart()
	w.answer(400, `{"message":"Cannot transition status via :succeed from :success (Reason(s): Status cannot transition via \"succeed\")"}`)
	if res := w.look("shop-1"); res.RequeueAfter != 0 || w.condition().Status != "True" {
		t.Errorf("%+v %+v", res, w.condition())
	}
	if w.look("shop-1"); len(w.got) != 3 {
		t.Errorf("%v", w.states())
	}
}

func TestWhoSpeaksForACommit(t *testing.T) {
	w := newWorld(t, GitHub)
	w.run("shop-1", v1alpha1.Running)
	w.look("shop-1")
	w.run("shop-1-r1", v1alpha1.Running) // the same commit again
	w.look("shop-1-r1")
	w.run("shop-1", v1alpha1.Failed)
	w.run("child", v1alpha1.Failed, func(r *v1alpha1.Run) { r.Spec.Parent = &v1alpha1.RunParent{Run: "shop-1-r1"} })
	w.run("shop-1-old", v1alpha1.Failed, other, func(r *v1alpha1.Run) {
		if r.Status.FinishedAt != nil {
			r.Status.FinishedAt.Time = w.clock.Add(-giveUp - time.Hour)
		}
	})
	for _, name := range []string{"shop-1", "child", "shop-1-old"} {
		w.look(name)
	}
	if len(w.got) != 2 {
		t.Errorf("an older run, a child or yesterday's news was told: %v", w.states())
	}
	w.run("tagged", v1alpha1.Failed, func(r *v1alpha1.Run) { r.Spec.Ref = "refs/tags/v1" })
	w.run("merge", v1alpha1.Failed, func(r *v1alpha1.Run) { r.Spec.Target = "refs/heads/main" })
	w.look("tagged")
	w.look("merge")
	if a, b := w.got[2].body["context"], w.got[3].body["context"]; a != "slipway/shop/tag" || b != "slipway/shop/merge-request" {
		t.Error(a, b)
	}
}

// Credentials are bound to a host, and go nowhere else by redirect or plain http.
func TestTokenGoesToItsHostOnly(t *testing.T) {
	w := newWorld(t, GitLab)
	w.run("shop-1", v1alpha1.Succeeded)
	other := newForge(t)
	w.answer(307, "", "Location", other.URL+"/api/v4/projects/acme%2Fshop/statuses/"+commit)
	if w.look("shop-1"); len(other.got) != 0 || w.condition().Reason != "Moved" {
		t.Errorf("%v %+v", other.got, w.condition())
	}
	w.change(func(r *v1alpha1.Repository) { r.Spec.Forge.Project = "acme/new" })
	w.answer(307, "", "Location", w.URL+"/moved")
	if w.look("shop-1"); len(w.got) != 3 || w.got[2].path != "POST /moved" || w.got[2].body["state"] != "success" {
		t.Errorf("a renamed project is not followed: %+v", w.got)
	}
	w.run("shop-1", v1alpha1.Failed)
	w.change(func(r *v1alpha1.Repository) { r.Spec.Forge.API = other.URL })
	if w.look("shop-1"); len(other.got) != 0 || w.condition().Reason != "NoToken" || !strings.Contains(w.condition().Message, v1alpha1.AnnotationHost) {
		t.Errorf("a secret of another host: %+v", w.condition())
	}
	w.change(func(r *v1alpha1.Repository) { r.Spec.Forge.API = "http://forge.example" })
	if w.look("shop-1"); w.condition().Reason != "NotConfigured" || !strings.Contains(w.condition().Message, "plain http") {
		t.Errorf("%+v", w.condition())
	}
	if err := w.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "forge"}}); err != nil {
		t.Fatal(err)
	}
	w.change(func(r *v1alpha1.Repository) { r.Spec.Forge.API = "" })
	if w.look("shop-1"); w.condition().Reason != "NoToken" {
		t.Errorf("%+v", w.condition())
	}
}

func TestUnreachable(t *testing.T) {
	w := newWorld(t, GitHub)
	w.run("shop-1", v1alpha1.Succeeded)
	w.Server.Close()
	res := w.look("shop-1")
	for range 2 {
		res = w.again("shop-1", res)
	}
	if c := w.condition(); c.Reason != "Unreachable" || strings.Contains(c.Message, secret) {
		t.Errorf("%+v", c)
	}
}

// A pull request says where its commit can be looked at, once it can be.
func TestPreviewOfARun(t *testing.T) {
	w := newWorld(t, GitHub)
	address := ""
	w.reporter.Preview = func(_ context.Context, run *v1alpha1.Run) (string, error) {
		if run.Spec.Commit != commit {
			t.Errorf("asked for commit %s", run.Spec.Commit)
		}
		return address, nil
	}
	said := func() string {
		text, _ := w.got[len(w.got)-1].body["description"].(string)
		return text
	}
	w.run("shop-1", v1alpha1.Running)
	w.look("shop-1")
	w.run("shop-1", v1alpha1.Succeeded)
	w.look("shop-1")
	if said() != "passed in 1m5s" || len(w.got) != 2 {
		t.Fatalf("%q, %d requests", said(), len(w.got))
	}
	address = "http://10.0.0.2:30081"
	w.look("shop-1")
	if said() != "passed in 1m5s; preview: http://10.0.0.2:30081" || len(w.got) != 3 {
		t.Fatalf("%q, %d requests", said(), len(w.got))
	}
	// It goes on to another commit, or away: what was said stays, also after a restart.
	address = ""
	w.look("shop-1")
	preview := w.reporter.Preview
	w.restart()
	w.reporter.Preview = preview
	w.look("shop-1")
	if len(w.got) != 3 {
		t.Errorf("%d requests, the last %q", len(w.got), said())
	}
	address = "http://" + strings.Repeat("long.", 40) + "example"
	w.run("shop-2", v1alpha1.Succeeded, func(r *v1alpha1.Run) { r.Spec.Sequence = 2 })
	w.look("shop-2")
	if said() != "passed in 1m5s" {
		t.Errorf("an address that does not fit is cut: %q", said())
	}
}

func TestRunsOfAPreview(t *testing.T) {
	w := newWorld(t, GitHub)
	w.reporter.Preview = func(context.Context, *v1alpha1.Run) (string, error) { return "", nil }
	w.run("shop-1", v1alpha1.Succeeded)
	w.run("shop-2", v1alpha1.Succeeded, other)
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop-x", Labels: map[string]string{v1alpha1.LabelApplicationSet: "previews"}}}
	app.Spec.Source.Repository, app.Spec.Desired = "shop", &v1alpha1.Desired{Commit: commit}
	if got := w.reporter.ofPreview(t.Context(), app); len(got) != 0 {
		t.Errorf("without an address: %v", got)
	}
	app.Status.Addresses = []string{"http://x"}
	if got := w.reporter.ofPreview(t.Context(), app); len(got) != 1 || got[0].Name != "shop-1" {
		t.Errorf("%v", got)
	}
	delete(app.Labels, v1alpha1.LabelApplicationSet)
	if got := w.reporter.ofPreview(t.Context(), app); len(got) != 0 {
		t.Errorf("of an application that nobody generated: %v", got)
	}
}
