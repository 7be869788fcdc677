package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "slipway.dev/cluster/api/v1alpha1"
)

// elsewhere serves a bare repository with git's own HTTP server.
func elsewhere(t *testing.T) (dir, url string) {
	t.Helper()
	root := t.TempDir()
	dir = filepath.Join(root, "shop.git")
	if out, err := exec.Command("git", "init", "--quiet", "--bare", "--initial-branch=main", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v %s", err, out)
	}
	libexec, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(libexec)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"},
	})
	t.Cleanup(s.Close)
	return dir, s.URL + "/shop.git"
}

// TestWatchedRepository is polled, and looked at when a signed webhook asks.
func TestWatchedRepository(t *testing.T) {
	dir, url := elsewhere(t)
	r := newRepo(t, "watched", map[string]string{".gitlab-ci.yml": "say: {image: busybox, script: [echo seen]}\n"})
	publish := func() {
		r.commit()
		r.seq++
		r.git("push", "--quiet", dir, "HEAD:main")
	}
	publish()
	cleanUp(t, "kubectl", "delete", "secret", "watched-hook", "--ignore-not-found")
	must(t, "kubectl", "create", "secret", "generic", "watched-hook", "--from-literal=token=planted")
	must(t, "repo", "add", "watched", url, "--webhook-secret", "watched-hook")
	if run := r.finished(); run.Status.Phase != api.Succeeded {
		t.Fatalf("first look: %s %s", run.Status.Phase, run.Status.Message)
	}

	publish() // the default interval is a minute, which the webhook has to beat
	if got := hook(t, "wrong"); got != http.StatusUnauthorized {
		t.Errorf("wrong signature: %d", got)
	}
	if got := hook(t, "planted"); got != http.StatusAccepted {
		t.Fatalf("right signature: %d", got)
	}
	seen(t, r, "webhook", 30*time.Second)
	publish()
	must(t, "repo", "sync", "watched")
	seen(t, r, "manual", 30*time.Second)
	publish()
	seen(t, r, "poll", 90*time.Second)
}

// seen waits until the newest commit was seen in the way of via and its run succeeded.
func seen(t *testing.T, r *repo, via string, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if _, err := user.WaitRun(ctx, r.run(), func(*api.Run) bool { return true }); err != nil {
		t.Fatalf("run %s by %s: %v", r.run(), via, err)
	}
	var got api.Repository
	if err := user.Call(ctx, "GET", user.Path("repositories", r.name), nil, &got); err != nil {
		t.Fatal(err)
	}
	if ref := got.Status.Refs["refs/heads/main"]; ref.Via != via {
		t.Errorf("seen by %s, want %s", ref.Via, via)
	}
	if run := r.finished(); run.Status.Phase != api.Succeeded {
		t.Fatalf("seen by %s: %s %s", via, run.Status.Phase, run.Status.Message)
	}
}

func hook(t *testing.T, key string) int {
	t.Helper()
	const body = `{"ref":"refs/heads/main"}`
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	req, err := http.NewRequestWithContext(t.Context(), "POST", user.Server+"/hooks/generic/watched", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
