package front

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/server/api"
)

type oneToken struct{}

func (oneToken) Authenticate(_ context.Context, token string) (api.User, error) {
	if token != "good" {
		return api.User{}, ErrUnauthorized
	}
	return api.User{Name: "admin"}, nil
}

func door(t *testing.T) *Door {
	t.Helper()
	part := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			u, _ := api.UserFrom(r.Context())
			_, _ = io.WriteString(w, name+" "+u.Name)
		})
	}
	d, err := New(Parts{
		API: part("api"), Jobs: part("jobs"), Git: part("git"), Hooks: part("hooks"), Registry: part("registry"),
		Metrics: part("metrics"), Query: part("query"), Elastic: part("elastic"), Issuer: part("issuer"), Badge: part("badge"), Console: part("console"), Ready: func() error { return nil },
	}, oneToken{}, filepath.Join(t.TempDir(), "session.key"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func do(d *Door, method, path string, set func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if set != nil {
		set(r)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func TestNobodyGetsInWithoutAToken(t *testing.T) {
	d := door(t)
	for _, path := range []string{"/api/v1/whoami", "/api/v1/namespaces/default/runs", "/api/no/such", "/metrics", "/prometheus/api/v1/query"} {
		for name, set := range map[string]func(*http.Request){
			"none":         nil,
			"wrong":        func(r *http.Request) { r.Header.Set("Authorization", "Bearer bad") },
			"wrong basic":  func(r *http.Request) { r.SetBasicAuth("admin", "bad") },
			"wrong scheme": func(r *http.Request) { r.Header.Set("Authorization", "Digest good") },
			"wrong cookie": func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookieName, Value: "e30.AAAA"}) },
		} {
			w := do(d, "GET", path, set)
			if w.Code != http.StatusUnauthorized || w.Body.String() != "{\"error\":{\"message\":\"unauthorized\"}}\n" {
				t.Errorf("%s with %s token: %d %s", path, name, w.Code, w.Body)
			}
		}
	}
	if w := do(d, "GET", "/api/v1/whoami", func(r *http.Request) { r.SetBasicAuth("x", "good") }); w.Body.String() != "api admin" {
		t.Errorf("basic password: %d %s", w.Code, w.Body)
	}
}

func TestLoginLinkWorksOnceAndItsCookieOnlyFromOurPages(t *testing.T) {
	d := door(t)
	code := d.Link(api.User{Name: "admin"})
	w := do(d, "GET", "/login?code="+code, nil)
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("cookies %v", cookies)
	}
	if again := do(d, "GET", "/login?code="+code, nil); len(again.Result().Cookies()) != 0 {
		t.Error("a login link worked twice")
	}
	with := func(site string) func(*http.Request) {
		return func(r *http.Request) { r.AddCookie(cookies[0]); r.Header.Set("Sec-Fetch-Site", site) }
	}
	if w := do(d, "POST", "/api/v1/namespaces/default/runs", with("same-origin")); w.Code != http.StatusOK {
		t.Errorf("our own page: %d", w.Code)
	}
	if w := do(d, "POST", "/api/v1/namespaces/default/runs", with("cross-site")); w.Code != http.StatusUnauthorized {
		t.Errorf("another site's page: %d", w.Code)
	}
	forged := *cookies[0]
	forged.Value = strings.Replace(forged.Value, ".", "A.", 1)
	if w := do(d, "GET", "/api/v1/whoami", func(r *http.Request) { r.AddCookie(&forged) }); w.Code != http.StatusUnauthorized {
		t.Errorf("forged cookie: %d", w.Code)
	}
}

func TestAPanicReachesNobody(t *testing.T) {
	h := recovered(slog.New(slog.DiscardHandler), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

// TestListenersStopTogether: no door is open while another waits for its last request.
func TestListenersStopTogether(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(begun)
			<-finish
		}
	})
	var listeners []Listener
	for range 3 {
		l, err := Listen("127.0.0.1:0", nil)
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, h, listeners, time.Minute, slog.New(slog.DiscardHandler)) }()
	slow := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + listeners[0].Addr().String() + "/slow")
		if err == nil {
			err = resp.Body.Close()
		}
		slow <- err
	}()
	<-begun
	stop()
	for _, l := range listeners[1:] {
		for end := time.Now().Add(2 * time.Minute); ; <-time.After(time.Millisecond) {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				break
			}
			_ = c.Close()
			if time.Now().After(end) {
				t.Fatalf("%s is open while %s waits", l.Addr(), listeners[0].Addr())
			}
		}
	}
	close(finish)
	if err := errors.Join(<-slow, <-served); err != nil {
		t.Error(err)
	}
}

func TestElasticsearchClientsComeInByTheirOwnWords(t *testing.T) {
	d := door(t)
	key := func(s string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", "ApiKey "+base64.StdEncoding.EncodeToString([]byte(s)))
		}
	}
	for name, set := range map[string]func(*http.Request){
		"basic":   func(r *http.Request) { r.SetBasicAuth("elastic", "good") },
		"bearer":  func(r *http.Request) { r.Header.Set("Authorization", "Bearer good") },
		"API key": key("id:good"),
	} {
		if w := do(d, "POST", "/elastic/_bulk", set); w.Body.String() != "elastic admin" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for name, set := range map[string]func(*http.Request){"none": nil, "wrong key": key("id:bad"), "no key": key("good"), "basic": func(r *http.Request) { r.SetBasicAuth("good", "bad") }} {
		w := do(d, "GET", "/elastic/", set)
		if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `"type":"security_exception"`) || w.Header().Get("X-Elastic-Product") == "" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
