package commitstatus

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// Answers in the form that the documentation of each gives, shortened.
const (
	cloudPull = `{"type": "pullrequest", "id": 7, "title": "Topic", "state": "STATE", "author": {"type": "user", "display_name": "Ann"},
		"source": {"branch": {"name": "topic"}}, "destination": {"branch": {"name": "main"}},
		"created_on": "2026-01-01T12:00:00.000000+00:00", "updated_on": "2026-01-02T12:00:00.000000+00:00", "close_source_branch": true}`
	dcPull = `{"id": 7, "version": 2, "title": "Topic", "state": "STATE", "open": false, "closed": true, "createdDate": 1767268800000, "updatedDate": 1767355200000,
		"fromRef": {"id": "refs/heads/topic"}, "toRef": {"id": "refs/heads/main"}, "locked": false}`
	dcGone    = `{"errors": [{"context": null, "message": "No pull request exists with ID 7 for this repository.", "exceptionName": "com.atlassian.bitbucket.pull.NoSuchPullRequestException"}]}`
	dcUnknown = `{"errors": [{"context": null, "message": "Repository ACME/shop does not exist.", "exceptionName": "com.atlassian.bitbucket.repository.NoSuchRepositoryException"}]}`
	cloudGone = `{"type": "error", "error": {"message": "Resource not found"}}`
)

// bitbucket is a world whose forge is one of the two, as its address says.
func bitbucket(t *testing.T, api string) *world {
	w := newWorld(t, Bitbucket)
	w.change(func(r *v1alpha1.Repository) { r.Spec.Forge.API = w.URL + api })
	return w
}

// TestBitbucketIsAskedOfPullRequests whose webhooks were lost: Cloud and Data Center, with
// an access token and with the name and password of a person.
func TestBitbucketIsAskedOfPullRequests(t *testing.T) {
	const cloud, dc = "/2.0/repositories/acme/shop/pullrequests/7", "/rest/api/latest/projects/acme/repos/shop/pull-requests/7"
	in := func(form, state string) string { return strings.Replace(form, "STATE", state, 1) }
	for _, c := range []struct {
		path string
		code int
		body string
		want string // or a part of the error, after "!"
	}{
		{cloud, 200, in(cloudPull, "OPEN"), "opened"},
		{cloud, 200, in(cloudPull, "MERGED"), "merged"},
		{cloud, 200, in(cloudPull, "DECLINED"), "closed"},
		{cloud, 200, in(cloudPull, "SUPERSEDED"), "closed"},
		{cloud, 200, in(cloudPull, "ODD"), "!which is not known"},
		{cloud, 404, cloudGone, "!Resource not found"},
		{dc, 200, in(dcPull, "OPEN"), "opened"},
		{dc, 200, in(dcPull, "MERGED"), "merged"},
		{dc, 200, in(dcPull, "DECLINED"), "closed"},
		{dc, 404, dcUnknown, "!Repository ACME/shop does not exist."},
		{dc, 401, strings.ReplaceAll(dcUnknown, "ACME/shop", secret), "!Repository [MASKED] does"},
	} {
		for token, header := range map[string]string{secret: "Bearer " + secret, "ann@example.org:" + secret: "Basic YW5uQGV4YW1wbGUub3JnOnBsYW50ZWQtdG9rZW4="} {
			w := bitbucket(t, strings.TrimSuffix(strings.TrimSuffix(c.path, "/projects/acme/repos/shop/pull-requests/7"), "/repositories/acme/shop/pullrequests/7"))
			w.token(token)
			w.Server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.EscapedPath() != c.path || r.Header.Get("Authorization") != header {
					t.Errorf("%s %s %v", r.Method, r.URL.EscapedPath(), r.Header)
				}
				rw.WriteHeader(c.code)
				_, _ = io.WriteString(rw, c.body)
			})
			state, updated, err := w.reporter.MergeRequest(t.Context(), w.repository(), 7)
			if part, bad := strings.CutPrefix(c.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), secret) {
					t.Errorf("%s: %v, want %s", c.path, err, part)
				}
				continue
			}
			if err != nil || state != c.want || !updated.Equal(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)) {
				t.Errorf("%s: %s %s %v, want %s", c.path, state, updated, err, c.want)
			}
		}
	}

	// Data Center's people may delete one.
	w := bitbucket(t, "/rest/api/latest")
	w.Server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(rw, dcGone)
	})
	if state, updated, err := w.reporter.MergeRequest(t.Context(), w.repository(), 7); err != nil || state != v1alpha1.MergeRequestClosed || time.Since(updated) > time.Minute {
		t.Errorf("a deleted one: %s %s %v", state, updated, err)
	}
}

// token that the Secret has from now on.
func (w *world) token(value string) {
	w.t.Helper()
	s := &corev1.Secret{}
	if err := w.Get(context.Background(), client.ObjectKey{Namespace: "default", Name: "forge"}, s); err != nil {
		w.t.Fatal(err)
	}
	s.Data["token"] = []byte(value)
	if err := w.Update(context.Background(), s); err != nil {
		w.t.Fatal(err)
	}
}

func TestBitbucketIsToldOfRuns(t *testing.T) {
	for _, c := range []struct{ api, path, canceled, ref, is string }{
		{"/2.0", "POST /2.0/repositories/acme/shop/commit/" + commit + "/statuses/build", "STOPPED", "refname", "main"},
		{"/rest/api/latest", "POST /rest/api/latest/projects/acme/repos/shop/commits/" + commit + "/builds", "FAILED", "ref", "refs/heads/main"},
	} {
		w := bitbucket(t, c.api)
		for range 5 {
			w.answer(http.StatusNoContent, "")
		}
		for _, phase := range []v1alpha1.Phase{"", v1alpha1.Running, v1alpha1.Succeeded, v1alpha1.Failed, v1alpha1.Canceled} {
			w.run("shop-1", phase)
			w.look("shop-1")
			w.look("shop-1") // nothing new to say
		}
		if got, want := w.states(), []string{"INPROGRESS", "INPROGRESS", "SUCCESSFUL", "FAILED", c.canceled}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.api, got, want)
		}
		got := w.got[2]
		want := map[string]any{"key": "slipway/shop", "name": "slipway/shop", "state": "SUCCESSFUL", "url": "https://slipway.example/runs/default/shop-1", "description": "passed in 1m5s", c.ref: c.is}
		a, _ := json.Marshal(got.body)
		b, _ := json.Marshal(want)
		if got.path != c.path || string(a) != string(b) {
			t.Errorf("%s %s, want %s %s", got.path, a, c.path, b)
		}
		if c := w.condition(); c.Status != "True" {
			t.Errorf("%+v", c)
		}
	}
	long := "slipway/" + strings.Repeat("x", 60)
	if k := key(long); len(k) != maxKey || k == key(long+"/tag") || key("slipway/shop") != "slipway/shop" {
		t.Errorf("keys %q %q", k, key(long+"/tag"))
	}
}

func FuzzReadPull(f *testing.F) {
	for _, s := range []string{cloudPull, dcPull, dcGone, `{"state":1}`, `[]`, `{"state":"OPEN","updatedDate":-1}`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		state, _, err := readPull(body)
		if err == nil && (!json.Valid(body) || state == "") {
			t.Fatalf("%q is %q", body, state)
		}
		deletedPull(http.StatusNotFound, body)
	})
}
