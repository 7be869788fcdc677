package hook

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: whatever a forge sends is understood within bounds, or refused.
func FuzzParse(f *testing.F) {
	for _, c := range events {
		s := senders[c.forge]
		body, err := os.ReadFile(filepath.Join("testdata", s.dir, c.file+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.kind, c.event, body)
	}
	f.Fuzz(func(t *testing.T, kind, name string, body []byte) {
		forge := forges[kind]
		if forge == nil {
			return
		}
		e, err := forge.parse(oneLine(name, 200), body)
		if err != nil {
			if !errors.Is(err, errMalformed) || len(err.Error()) > 500 {
				t.Fatal(err)
			}
			return
		}
		if (e.Kind == "") == (e.Ignored == "") {
			t.Fatalf("%+v is neither acted on nor ignored", e)
		}
		if len(e.Refs) > maxRefs || len(e.Name) > 300 || len(e.Project) > 500 {
			t.Fatalf("%+v is too large", e)
		}
		if m := e.MergeRequest; m != nil {
			for _, s := range []string{m.Title, m.Author, m.Source, m.Target, m.SourceProject, m.URL, m.Commit} {
				if len(s) > 1000 || !utf8.ValidString(s) || strings.ContainsAny(m.Title, "\r\n") {
					t.Fatalf("%+v", m)
				}
			}
			if m.Number < 1 || m.Source == "" || m.Target == "" || m.Updated.IsZero() || m.State == "" {
				t.Fatalf("%+v lacks something", m)
			}
		}
	})
}

// FuzzHandler: only what is signed is accepted, whatever the address and the headers.
func FuzzHandler(f *testing.F) {
	h := newHandler(f, f.TempDir())
	h.Spool.db.NoSync, h.Spool.db.MaxBatchDelay = true, 0
	f.Add("/hooks/generic/shop", "sha256=00", `{"ref":"x"}`, "push", "id", true)
	f.Add("/hooks/generic/a/b/c", "sha256=", "", "", "", false)
	f.Add("/hooks/github/default/shop", "", `{"ref":"refs/heads/x","after":"1","repository":{"full_name":"acme/shop"}}`, "push", "1", true)
	f.Add("/hooks/gitlab/default/shop-of-gitlab", "v1,AAAA", `{}`, "Push Hook", "1", false)
	f.Fuzz(func(t *testing.T, path, signature, body, event, id string, honest bool) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawPath = path, path
		if honest {
			signature = sign(body)
		}
		for _, name := range []string{"X-Signature", "X-Hub-Signature-256", "X-Hub-Signature", "X-Gitea-Signature", "Webhook-Signature", "X-Gitlab-Token"} {
			r.Header.Set(name, signature)
		}
		for _, name := range []string{"X-Github-Event", "X-Gitlab-Event", "X-Gitea-Event", "X-Event-Key"} {
			r.Header.Set(name, event)
		}
		for _, name := range []string{"X-Delivery-Id", "X-Github-Delivery", "Webhook-Id", "X-Request-Id"} {
			r.Header.Set(name, id)
		}
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code/100 == 2 && signature != sign(body) && signature != sign(body)[7:] && signature != key {
			t.Fatalf("%q %q was accepted", path, signature)
		}
		if w.Code == http.StatusInternalServerError {
			t.Fatal(w.Body)
		}
	})
}
