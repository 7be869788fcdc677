package console

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"slipway.dev/observability/dashboard"
)

var update = flag.Bool("update", false, "write e2e/boards.json")

// TestBoards keeps the dashboards that the page's tests draw the same as those that ship.
func TestBoards(t *testing.T) {
	all, err := dashboard.All()
	if err != nil {
		t.Fatal(err)
	}
	app, err := dashboard.OfApplication("default", "hello", []dashboard.Metric{{Name: "http_requests_total", Type: "counter"}, {Name: "http_request_duration_seconds_bucket"}, {Name: "queue_length", Type: "gauge"}})
	if err != nil {
		t.Fatal(err)
	}
	app.Name = "app/default/hello"
	var want bytes.Buffer
	for i, d := range append(all, app) {
		want.WriteString([]string{"{", ","}[min(i, 1)] + `"` + d.Name + `":`)
		if err := json.Compact(&want, d.JSON); err != nil {
			t.Fatal(err)
		}
		want.WriteByte('\n')
	}
	want.WriteString("}\n")
	const file = "e2e/boards.json"
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(file); err != nil || !bytes.Equal(have, want.Bytes()) {
		t.Errorf("%s is not what ships (%v): go test ./server/console -update", file, err)
	}
}

func TestServe(t *testing.T) {
	built := serve(fstest.MapFS{
		"index.html":         {Data: []byte("<!doctype html>page")},
		"assets/app-1a2b.js": {Data: []byte("code")},
		".keep":              {Data: nil},
	})
	empty := serve(fstest.MapFS{".keep": {Data: nil}})
	for _, c := range []struct {
		name    string
		handler http.Handler
		method  string
		path    string
		code    int
		body    string
		cache   string
	}{
		{"root", built, "GET", "/", 200, "page", "no-cache"},
		{"route", built, "GET", "/runs/hello-1", 200, "page", "no-cache"},
		{"asset", built, "GET", "/assets/app-1a2b.js", 200, "code", "public, max-age=31536000, immutable"},
		{"asset that is gone", built, "GET", "/assets/app-old.js", 404, "reload", ""},
		{"traversal", built, "GET", "/assets/../../console.go", 200, "page", "no-cache"},
		{"hidden", built, "GET", "/.keep", 200, "page", "no-cache"},
		{"directory", built, "GET", "/assets", 200, "page", "no-cache"},
		{"post", built, "POST", "/", 405, "", ""},
		{"not built", empty, "GET", "/", 503, "make build", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			c.handler.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
			if w.Code != c.code || !strings.Contains(w.Body.String(), c.body) || w.Header().Get("Cache-Control") != c.cache {
				t.Errorf("%d %q %q", w.Code, w.Body, w.Header().Get("Cache-Control"))
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("policy %q", csp)
			}
		})
	}
}

func TestHandlerIsThere(t *testing.T) {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusOK && w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d", w.Code)
	}
}
