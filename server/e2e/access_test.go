package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/server/client"
)

// TestWrongTokenLearnsNothing asks every part of the front door with no token
// and with a wrong one.
func TestWrongTokenLearnsNothing(t *testing.T) {
	together(t)
	for _, path := range []string{
		"/api/v1/whoami", "/api/v1/status", "/api/v1/namespaces/default/runs", "/api/v1/namespaces/default/repositories/none",
		"/api/v1/jobs/default/none/none/1", "/git/none.git/info/refs?service=git-upload-pack", "/v2/", "/v2/default/none/manifests/latest",
		"/metrics", "/prometheus/api/v1/query?query=up",
	} {
		for _, token := range []string{"", "wrong", "slw_abc_def"} {
			if got := status(t, "GET", user.Server+path, token); got != http.StatusUnauthorized {
				t.Errorf("GET %s with token %q: %d, want 401", path, token, got)
			}
		}
	}
	if got := status(t, "POST", user.Server+"/hooks/generic/none", ""); got != http.StatusUnauthorized {
		t.Errorf("webhook without signature: %d, want 401", got)
	}
	r := newRepo(t, "intruder", map[string]string{"a": "b"})
	r.commit()
	if out, err := r.command("wrong", "push", r.url(), "HEAD:main"); err == nil || strings.Contains(out, "not found") {
		t.Errorf("push with a wrong token: %v %s", err, out)
	}
}

// TestLoginLink lets a browser in, once.
func TestLoginLink(t *testing.T) {
	together(t)
	link := strings.TrimSpace(must(t, "login-link"))
	use := func() (*http.Cookie, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", link, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req) // it redirects
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for _, c := range resp.Cookies() {
			return c, resp.Header.Get("Location")
		}
		return nil, resp.Header.Get("Location")
	}
	who := func(c *http.Cookie) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", user.Server+"/api/v1/whoami", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(c)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	cookie, at := use()
	if cookie == nil || !cookie.HttpOnly || at != "/" {
		t.Fatalf("the link gives the cookie %v and leads to %q", cookie, at)
	}
	if code := who(cookie); code != http.StatusOK {
		t.Errorf("with the link's cookie: %d", code)
	}
	if again, at := use(); again != nil || at != "/?login=expired" {
		t.Errorf("used a second time it gives %v and leads to %q", again, at)
	}
	if code := who(cookie); code != http.StatusOK {
		t.Errorf("the session of the first use ended with the second: %d", code)
	}
}

// TestScopedToken works in its namespace and role only.
func TestScopedToken(t *testing.T) {
	together(t)
	token := strings.TrimSpace(must(t, "token", "create", "viewer", "--role", "slipway-viewer"))
	base := user.Server + "/api/v1/namespaces/"
	for path, want := range map[string]int{"default/runs": 200, "kube-system/runs": 403} {
		if got := status(t, "GET", base+path, token); got != want {
			t.Errorf("GET %s: %d, want %d", path, got, want)
		}
	}
	for path, want := range map[string]int{"query?query=up": 200, "labels": 200, "status/tsdb": 403, "status/config": 403} {
		if got := status(t, "GET", user.Server+"/prometheus/api/v1/"+path, token); got != want {
			t.Errorf("GET /prometheus/api/v1/%s: %d, want %d", path, got, want)
		}
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	scoped := &client.Client{Server: user.Server, DataDir: dataDir, TokenFile: file}
	for namespace, sees := range map[string]bool{"default": true, "kube-system": false} {
		eventually(t, func() error {
			query := url.Values{"query": {fmt.Sprintf(`{namespace=%q} or count({namespace=%q})`, namespace, namespace)}}
			var all, seen struct{ Data struct{ Result []any } }
			if err := errors.Join(user.Call(t.Context(), "GET", "/prometheus/api/v1/query?"+query.Encode(), nil, &all),
				scoped.Call(t.Context(), "GET", "/prometheus/api/v1/query?"+query.Encode(), nil, &seen)); err != nil {
				return err
			}
			if len(all.Data.Result) == 0 || sees && len(seen.Data.Result) == 0 {
				return fmt.Errorf("no series of %s: %d, and %d for the viewer", namespace, len(all.Data.Result), len(seen.Data.Result))
			}
			if !sees && len(seen.Data.Result) > 0 {
				t.Errorf("a viewer of default sees series of %s: %v", namespace, seen.Data.Result)
			}
			return nil
		})
	}
	if got := status(t, "POST", user.Server+"/prometheus/api/v1/write", token); got != http.StatusForbidden {
		t.Errorf("a viewer may write metrics: %d", got)
	}
	if got := status(t, "POST", base+"default/applications/x/sync", token); got != http.StatusForbidden {
		t.Errorf("a viewer may sync: %d", got)
	}
	if got := status(t, "GET", user.Server+"/api/v1/tokens", token); got != http.StatusForbidden {
		t.Errorf("a viewer may list tokens: %d", got)
	}
}
