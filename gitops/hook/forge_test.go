package hook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/cluster/api/v1alpha1"
)

var quiet = slog.New(slog.DiscardHandler)

const (
	commitA = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
	commitB = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
	key     = "a secret of 32 bytes, as it should"
)

func valid(s string) error {
	if s == "" || strings.ContainsAny(s, "/.%\x00") || strings.ToLower(s) != s {
		return errors.New("name")
	}
	return nil
}

// newHandler knows default/shop, which is acme/shop (at GitLab acme/web/shop),
// default/other with the same secret, team/shop with another, and default/hosted.
func newHandler(t testing.TB, dir string) *Handler {
	s, err := Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &Handler{Spool: s, ValidName: valid, ValidNamespace: valid, Log: quiet,
		Target: func(_ context.Context, ns, repo string) (Target, error) {
			switch ns + "/" + repo {
			case "default/shop":
				return Target{Secret: []byte(key), Path: "/scm/Acme/shop.git"}, nil
			case "default/shop-of-gitlab":
				return Target{Secret: []byte(key), Path: "/acme/web/shop.git"}, nil
			case "default/other":
				return Target{Secret: []byte(key), Path: "/acme/other.git"}, nil
			case "default/hosted":
				return Target{Secret: []byte(key)}, nil
			case "team/shop":
				return Target{Secret: []byte("another key"), Path: "/acme/shop"}, nil
			case "default/broken":
				return Target{}, errors.New("connection refused")
			}
			return Target{}, nil
		}}
}

func sum(key string, parts ...string) []byte {
	m := hmac.New(sha256.New, []byte(key))
	for _, p := range parts {
		m.Write([]byte(p))
	}
	return m.Sum(nil)
}

// sent is one request as a forge makes it.
type sent struct {
	kind, repo string
	headers    map[string]string
	body       []byte
}

// sender makes and signs requests as one forge does.
type sender struct {
	kind, dir, repo string
	event, id       string // headers
	sign            func(h map[string]string, body, secret string)
}

func hex256(header, prefix string) func(map[string]string, string, string) {
	return func(h map[string]string, body, secret string) {
		h[header] = prefix + hex.EncodeToString(sum(secret, body))
	}
}

var senders = map[string]sender{
	"github":          {"github", "github", "shop", "X-GitHub-Event", "X-GitHub-Delivery", hex256("X-Hub-Signature-256", "sha256=")},
	"gitea":           {"gitea", "gitea", "shop", "X-Gitea-Event", "X-Gitea-Delivery", hex256("X-Gitea-Signature", "")},
	"forgejo":         {"forgejo", "forgejo", "shop", "X-Forgejo-Event", "X-Forgejo-Delivery", hex256("X-Forgejo-Signature", "")},
	"bitbucket-cloud": {"bitbucket", "bitbucket-cloud", "shop", "X-Event-Key", "X-Request-UUID", hex256("X-Hub-Signature", "sha256=")},
	"bitbucket-dc":    {"bitbucket", "bitbucket-dc", "shop", "X-Event-Key", "X-Request-Id", hex256("X-Hub-Signature", "sha256=")},
	"gitlab": {"gitlab", "gitlab", "shop-of-gitlab", "X-Gitlab-Event", "Idempotency-Key",
		func(h map[string]string, _, secret string) { h["X-Gitlab-Token"] = secret }},
	"gitlab-signed": {"gitlab", "gitlab", "shop-of-gitlab", "X-Gitlab-Event", "Webhook-Id",
		func(h map[string]string, body, secret string) {
			h["Webhook-Timestamp"] = fmt.Sprint(time.Now().Unix())
			h["Webhook-Signature"] = "v1,AAAA v1," + base64.StdEncoding.EncodeToString(sum(secret, h["Webhook-Id"]+"."+h["Webhook-Timestamp"]+".", body))
		}},
	"generic": {"generic", "generic", "shop", "", "X-Delivery-Id", hex256("X-Signature", "sha256=")},
}

func (s sender) make(t testing.TB, event, file, id string) sent {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", s.dir, file+".json"))
	if err != nil {
		t.Fatal(err)
	}
	h := map[string]string{"Content-Type": "application/json", "User-Agent": "a forge"}
	if s.event != "" {
		h[s.event] = event
	}
	if id != "" {
		h[s.id] = id
	}
	out := sent{kind: s.kind, repo: s.repo, headers: h, body: body}
	s.sign(h, string(body), key)
	return out
}

func (s sender) resign(r *sent, secret string) { s.sign(r.headers, string(r.body), secret) }

func (r sent) to(h http.Handler, ns string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/hooks/"+r.kind+"/"+ns+"/"+r.repo, bytes.NewReader(r.body))
	for k, v := range r.headers {
		req.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// request is the merge request that all forges describe.
func request(f func(*v1alpha1.MergeRequest)) *v1alpha1.MergeRequest {
	m := &v1alpha1.MergeRequest{Number: 7, Title: "Add a cart", Author: "ada", Source: "feature/cart", Target: "main", Commit: commitB, State: "opened"}
	f(m)
	return m
}

func opened(m *v1alpha1.MergeRequest)  {}
func updated(m *v1alpha1.MergeRequest) { m.Commit = commitA }
func merged(m *v1alpha1.MergeRequest)  { m.State = "merged" }
func closed(m *v1alpha1.MergeRequest)  { m.State = "closed" }
func fork(m *v1alpha1.MergeRequest) {
	m.Fork, m.Source, m.SourceProject = true, "main", "mallory/shop"
}
func gone(m *v1alpha1.MergeRequest) { m.Fork, m.Source = true, "main" }

// events of each forge: what they are called, the body, and what is to be understood.
var events = []struct {
	forge, event, file string
	want               Event
}{
	{"github", "push", "push", push("refs/heads/main", commitA, commitB)},
	{"github", "push", "tag", tag("refs/tags/v1.0.0", "", commitB)},
	{"github", "push", "delete", deletion("refs/heads/old", commitA)},
	{"github", "delete", "delete-event", deletion("refs/heads/old", "")},
	{"github", "create", "create-event", Event{}},
	{"github", "ping", "ping", Event{Kind: Ping}},
	{"github", "issues", "issues", Event{}},
	{"github", "pull_request", "opened", ofRequest(opened)},
	{"github", "pull_request", "updated", ofRequest(updated)},
	{"github", "pull_request", "merged", ofRequest(merged)},
	{"github", "pull_request", "closed", ofRequest(closed)},
	{"github", "pull_request", "fork", ofRequest(fork)},
	{"github", "pull_request", "fork-gone", ofRequest(gone)},
	{"github", "pull_request", "labeled", Event{}},

	{"gitea", "push", "push", push("refs/heads/main", commitA, commitB)},
	{"gitea", "push", "tag", tag("refs/tags/v1.0.0", "", commitB)},
	{"gitea", "delete", "delete", deletion("refs/heads/old", "")},
	{"gitea", "delete", "delete-tag", deletion("refs/tags/v0.9", "")},
	{"gitea", "create", "create-event", Event{}},
	{"gitea", "issues", "issues", Event{}},
	{"gitea", "pull_request", "opened", ofRequest(opened)},
	{"gitea", "pull_request_sync", "updated", ofRequest(updated)},
	{"gitea", "pull_request", "merged", ofRequest(merged)},
	{"gitea", "pull_request", "closed", ofRequest(closed)},
	{"gitea", "pull_request", "fork", ofRequest(fork)},
	{"gitea", "pull_request", "draft", ofRequest(func(m *v1alpha1.MergeRequest) { m.Title, m.Draft = "WIP: Add a cart", true })},

	{"forgejo", "push", "push", push("refs/heads/main", commitA, commitB)},
	{"forgejo", "push", "tag", tag("refs/tags/v1.0.0", "", commitB)},
	{"forgejo", "delete", "delete", deletion("refs/heads/old", "")},
	{"forgejo", "create", "create-event", Event{}},
	{"forgejo", "issues", "issues", Event{}},
	{"forgejo", "pull_request", "opened", ofRequest(opened)},
	{"forgejo", "pull_request", "updated", ofRequest(updated)},
	{"forgejo", "pull_request", "merged", ofRequest(merged)},
	{"forgejo", "pull_request", "closed", ofRequest(closed)},
	{"forgejo", "pull_request", "fork", ofRequest(fork)},

	{"gitlab", "Push Hook", "push", push("refs/heads/main", commitA, commitB)},
	{"gitlab", "Tag Push Hook", "tag", tag("refs/tags/v1.0.0", "", commitB)},
	{"gitlab", "Push Hook", "delete", deletion("refs/heads/old", commitA)},
	{"gitlab", "Tag Push Hook", "delete-tag", deletion("refs/tags/v0.9", commitA)},
	{"gitlab", "Merge Request Hook", "opened", ofRequest(opened)},
	{"gitlab", "Merge Request Hook", "updated", ofRequest(updated)},
	{"gitlab", "Merge Request Hook", "merged", ofRequest(merged)},
	{"gitlab", "Merge Request Hook", "closed", ofRequest(closed)},
	{"gitlab", "Merge Request Hook", "fork", ofRequest(fork)},
	{"gitlab", "Merge Request Hook", "approved", Event{}},
	{"gitlab", "Issue Hook", "issue", Event{}},
	{"gitlab-signed", "Push Hook", "push", push("refs/heads/main", commitA, commitB)},
	{"gitlab-signed", "Merge Request Hook", "opened", ofRequest(opened)},

	{"bitbucket-cloud", "repo:push", "push", push("refs/heads/main", commitA, commitB)},
	{"bitbucket-cloud", "repo:push", "tag", tag("refs/tags/v1.0.0", "", commitB)},
	{"bitbucket-cloud", "repo:push", "delete", deletion("refs/heads/old", commitA)},
	{"bitbucket-cloud", "pullrequest:created", "opened", ofRequest(func(m *v1alpha1.MergeRequest) { m.Commit = commitB[:12] })},
	{"bitbucket-cloud", "pullrequest:updated", "updated", ofRequest(func(m *v1alpha1.MergeRequest) { m.Commit = commitA[:12] })},
	{"bitbucket-cloud", "pullrequest:fulfilled", "merged", ofRequest(func(m *v1alpha1.MergeRequest) { m.Commit, m.State = commitB[:12], "merged" })},
	{"bitbucket-cloud", "pullrequest:rejected", "closed", ofRequest(func(m *v1alpha1.MergeRequest) { m.Commit, m.State = commitB[:12], "closed" })},
	{"bitbucket-cloud", "pullrequest:created", "fork", ofRequest(func(m *v1alpha1.MergeRequest) { fork(m); m.Commit = commitB[:12] })},
	{"bitbucket-cloud", "pullrequest:updated", "fork-gone", ofRequest(func(m *v1alpha1.MergeRequest) { gone(m); m.Commit = commitB[:12] })},
	{"bitbucket-cloud", "repo:commit_comment_created", "comment", Event{}},

	{"bitbucket-dc", "repo:refs_changed", "push", push("refs/heads/main", commitA, commitB)},
	{"bitbucket-dc", "repo:refs_changed", "tag", tag("refs/tags/v1.0.0", "", commitB)},
	{"bitbucket-dc", "repo:refs_changed", "delete", deletion("refs/heads/old", commitA)},
	{"bitbucket-dc", "diagnostics:ping", "ping", Event{Kind: Ping}},
	{"bitbucket-dc", "pr:opened", "opened", ofRequest(opened)},
	{"bitbucket-dc", "pr:from_ref_updated", "updated", ofRequest(updated)},
	{"bitbucket-dc", "pr:merged", "merged", ofRequest(merged)},
	{"bitbucket-dc", "pr:declined", "closed", ofRequest(closed)},
	{"bitbucket-dc", "pr:deleted", "deleted", ofRequest(closed)},
	{"bitbucket-dc", "pr:opened", "fork", ofRequest(func(m *v1alpha1.MergeRequest) { fork(m); m.SourceProject = "~MALLORY/shop" })},
	{"bitbucket-dc", "pr:comment:added", "comment", Event{}},

	{"generic", "", "push", Event{Kind: Push, Refs: []Ref{{Name: "refs/heads/main"}}}},
}

func push(ref, before, after string) Event {
	return Event{Kind: Push, Refs: []Ref{{ref, before, after}}}
}
func tag(ref, before, after string) Event {
	return Event{Kind: Tag, Refs: []Ref{{ref, before, after}}}
}
func deletion(ref, before string) Event {
	return Event{Kind: Delete, Refs: []Ref{{ref, before, ""}}}
}
func ofRequest(f func(*v1alpha1.MergeRequest)) Event {
	return Event{Kind: MergeRequest, MergeRequest: request(f)}
}

// same compares what a test says of an event.
func same(got, want Event) bool {
	got.Name, got.Project = "", ""
	if want.Kind == "" {
		return got.Kind == "" && got.Ignored != "" && got.MergeRequest == nil
	}
	if got.MergeRequest != nil {
		m := *got.MergeRequest
		if m.Updated.IsZero() || time.Since(m.Updated.Time) < 24*time.Hour || !strings.Contains(m.URL, "/7") {
			return false // the time and the page are the forge's
		}
		m.Updated, m.URL = want.MergeRequest.Updated, ""
		got.MergeRequest = &m
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	return bytes.Equal(a, b)
}

func TestEveryForgeAndEvent(t *testing.T) {
	for _, c := range events {
		t.Run(c.forge+"/"+c.file, func(t *testing.T) {
			h := newHandler(t, t.TempDir())
			s := senders[c.forge]
			r := s.make(t, c.event, c.file, "one")
			w := r.to(h, "default")
			if w.Code != http.StatusAccepted {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			list, err := h.Spool.List("default", s.repo)
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			d := list[0]
			if !same(d.Event, c.want) {
				got, _ := json.Marshal(d.Event)
				t.Fatalf("understood %s", got)
			}
			waits, err := h.Spool.pending(0, 10)
			if err != nil || (len(waits) == 1) != d.Event.Acts() || (d.Outcome == Ignored) == d.Event.Acts() || (d.Message == "") != d.Event.Acts() {
				t.Fatalf("%+v waits %v", d, waits)
			}
			if _, body, err := h.Spool.Get("default", s.repo, d.Number); err != nil || !bytes.Equal(body, r.body) {
				t.Fatal("the body was not kept", err)
			}
			for k, v := range d.Headers {
				if strings.Contains(strings.ToLower(k+v), "signature") || strings.Contains(v, key) || strings.EqualFold(k, "X-Gitlab-Token") {
					t.Errorf("header %s was kept", k)
				}
			}
			// Again the same, by the forge or by somebody who has it.
			if w := r.to(h, "default"); w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), `"duplicate":true`) {
				t.Errorf("a repetition: %d %s", w.Code, w.Body)
			}
			if list, _ := h.Spool.List("default", s.repo); len(list) != 1 {
				t.Errorf("a repetition was stored: %+v", list)
			}
		})
	}
}

// readCounter counts what is read of an endless body.
type readCounter struct{ n int64 }

func (r *readCounter) Read(p []byte) (int, error) {
	if r.n >= 1<<30 {
		return 0, io.EOF
	}
	clear(p)
	r.n += int64(len(p))
	return len(p), nil
}
