package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

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
