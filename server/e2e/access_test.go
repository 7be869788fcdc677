package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestWrongTokenLearnsNothing asks every part of the front door with no token
// and with a wrong one.
func TestWrongTokenLearnsNothing(t *testing.T) {
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

// TestScopedToken works in its namespace and role only.
func TestScopedToken(t *testing.T) {
	token := strings.TrimSpace(must(t, "token", "create", "viewer", "--role", "slipway-viewer"))
	base := user.Server + "/api/v1/namespaces/"
	for path, want := range map[string]int{"default/runs": 200, "kube-system/runs": 403} {
		if got := status(t, "GET", base+path, token); got != want {
			t.Errorf("GET %s: %d, want %d", path, got, want)
		}
	}
	if got := status(t, "POST", base+"default/applications/x/sync", token); got != http.StatusForbidden {
		t.Errorf("a viewer may sync: %d", got)
	}
	if got := status(t, "GET", user.Server+"/api/v1/tokens", token); got != http.StatusForbidden {
		t.Errorf("a viewer may list tokens: %d", got)
	}
}
