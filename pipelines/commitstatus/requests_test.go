package commitstatus

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestStateOfAMergeRequest(t *testing.T) {
	for _, c := range []struct{ kind, path, body, want string }{
		{GitHub, "/api/v3/repos/acme/shop/pulls/7", `{"number":7,"state":"open","merged":false,"updated_at":"2026-01-02T12:00:00Z"}`, "opened"},
		{GitHub, "/api/v3/repos/acme/shop/pulls/7", `{"number":7,"state":"closed","merged":true,"updated_at":"2026-01-02T12:00:00Z"}`, "merged"},
		{Gitea, "/api/v1/repos/acme/shop/pulls/7", `{"number":7,"state":"closed","merged":false,"updated_at":"2026-01-02T13:00:00+01:00"}`, "closed"},
		{GitLab, "/api/v4/projects/acme%2Fshop/merge_requests/7", `{"iid":7,"state":"merged","updated_at":"2026-01-02T12:00:00.000Z"}`, "merged"},
		{GitLab, "/api/v4/projects/acme%2Fshop/merge_requests/7", `{"iid":7,"state":"locked","updated_at":"2026-01-02T12:00:00.000Z"}`, "opened"},
	} {
		w := newWorld(t, c.kind)
		w.Server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.EscapedPath() != c.path || !strings.Contains(strings.Join(append(r.Header["Authorization"], r.Header["Private-Token"]...), " "), secret) {
				t.Errorf("%s %s %v", r.Method, r.URL.EscapedPath(), r.Header)
			}
			_, _ = io.WriteString(rw, c.body)
		})
		state, updated, err := w.reporter.MergeRequest(t.Context(), w.repository(), 7)
		if err != nil || state != c.want || !updated.Equal(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: %s %s %v", c.kind, state, updated, err)
		}
	}
	w := newWorld(t, GitHub)
	for code, body := range map[int]string{404: `{"message":"Not Found ` + secret + `"}`, 200: `{"state":"odd"}`, 201: `{}`} {
		w.Server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(code)
			_, _ = io.WriteString(rw, body)
		})
		if _, _, err := w.reporter.MergeRequest(t.Context(), w.repository(), 7); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func (w *world) repository() *v1alpha1.Repository {
	w.t.Helper()
	repo := &v1alpha1.Repository{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "default", Name: "shop"}, repo); err != nil {
		w.t.Fatal(err)
	}
	return repo
}

func FuzzReadRequest(f *testing.F) {
	for _, s := range []string{`{"state":"open","updated_at":"2026-01-02T12:00:00Z"}`, `{"state":1}`, `[]`, `{"merged":true}`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		state, _, err := readRequest(body)
		if err == nil && (!json.Valid(body) || state == "") {
			t.Fatalf("%q is %q", body, state)
		}
	})
}
