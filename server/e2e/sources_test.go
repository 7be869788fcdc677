package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	api "slipway.dev/cluster/api/v1alpha1"
)

// elsewhere serves the bare repository acme/shop with git's own HTTP server.
func elsewhere(t *testing.T) (dir, url string) {
	t.Helper()
	dir, s := forgeElsewhere(t)
	return dir, s.URL + "/acme/shop.git"
}

// forgeElsewhere is elsewhere for those who stop it.
func forgeElsewhere(t *testing.T) (dir string, s *httptest.Server) {
	t.Helper()
	root := t.TempDir()
	dir = filepath.Join(root, "acme", "shop.git")
	if out, err := exec.Command("git", "init", "--quiet", "--bare", "--initial-branch=main", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v %s", err, out)
	}
	libexec, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	s = httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(libexec)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"},
	})
	t.Cleanup(s.Close)
	return dir, s
}

// TestWatchedRepository is polled, and looked at when a signed webhook asks.
func TestWatchedRepository(t *testing.T) {
	together(t)
	dir, url := elsewhere(t)
	r := newRepo(t, "watched", map[string]string{".gitlab-ci.yml": "say: {image: busybox, script: [echo seen]}\n"})
	publish := func() {
		r.commit()
		r.seq++
		r.git("push", "--quiet", dir, "HEAD:main")
	}
	publish()
	forge := newForge(t)
	cleanUp(t, "kubectl", "delete", "secret", "watched-hook", "watched-forge", "--ignore-not-found")
	must(t, "kubectl", "create", "secret", "generic", "watched-hook", "--from-literal=token=planted")
	must(t, "kubectl", "create", "secret", "generic", "watched-forge", "--from-literal=token=planted-status")
	must(t, "kubectl", "annotate", "secret", "watched-forge", api.AnnotationHost+"="+forge.Listener.Addr().String())
	must(t, "repo", "add", "watched", url, "--webhook-secret", "watched-hook",
		"--forge", "gitea", "--forge-api", forge.URL+"/api/v1", "--forge-project", "acme/shop", "--forge-token", "watched-forge")
	if run := r.finished(); run.Status.Phase != api.Succeeded {
		t.Fatalf("first look: %s %s", run.Status.Phase, run.Status.Message)
	} else {
		forge.told(t, run, "success")
	}

	publish() // the default interval is a minute, which the webhook has to beat
	if got := hook(t, "wrong"); got != http.StatusUnauthorized {
		t.Errorf("wrong signature: %d", got)
	}
	if got := hook(t, "planted"); got != http.StatusAccepted {
		t.Fatalf("right signature: %d", got)
	}
	seen(t, r, "webhook")
	publish()
	must(t, "repo", "sync", "watched")
	seen(t, r, "manual")
	forge.told(t, r.finished(), "pending", "success")
	badge(t, http.StatusNotFound, "")
	must(t, "kubectl", "patch", "repository", "watched", "--type", "merge", "-p", `{"spec":{"publicBadge":true}}`)
	badge(t, http.StatusOK, "pipeline: passed")
	// While webhooks come, it is polled ten times more rarely.
	must(t, "kubectl", "patch", "repository", "watched", "--type", "merge", "-p", `{"spec":{"pollInterval":"5s"}}`)
	eventually(t, func() error {
		var got api.Repository
		if err := user.Call(t.Context(), "GET", user.Path("repositories", "watched"), nil, &got); err != nil {
			return err
		}
		if p := got.Status.Polling; p == nil || p.Every.Duration != 50*time.Second || p.Told == nil {
			return fmt.Errorf("polling: %+v", p)
		}
		return nil
	})
	publish()
	seen(t, r, "poll")
}

// badge asks for the picture as nobody, until it is as it should be.
func badge(t *testing.T, code int, text string) {
	t.Helper()
	got, body := 0, ""
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		resp, err := http.Get(user.Server + "/badge/default/watched.svg")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got, body = resp.StatusCode, string(b); got == code && strings.Contains(body, text) {
			return
		}
	}
	t.Errorf("badge: %d %s, want %d %s", got, body, code, text)
}

// forge stands in for a Gitea, which refuses the first request.
type forge struct {
	*httptest.Server
	asked chan map[string]string
}

func newForge(t *testing.T) *forge {
	f := &forge{asked: make(chan map[string]string, 100)}
	var once sync.Once
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		busy := false
		once.Do(func() { busy = true })
		if busy {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		status := map[string]string{"path": r.URL.Path, "token": r.Header.Get("Authorization")}
		if err := json.NewDecoder(r.Body).Decode(&status); err != nil {
			t.Error(err)
		}
		f.asked <- status
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(f.Close)
	return f
}

// told waits until the forge knows that the run passed, and checks what it heard of it
// until then: each of the states.
func (f *forge) told(t *testing.T, run *api.Run, states ...string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	heard := map[string]bool{}
	for {
		select {
		case s := <-f.asked:
			if !strings.HasSuffix(s["path"], run.Spec.Commit) {
				continue // another run's
			}
			if s["path"] != "/api/v1/repos/acme/shop/statuses/"+run.Spec.Commit || s["token"] != "token planted-status" || s["context"] != "slipway/watched" ||
				!strings.HasSuffix(s["target_url"], "/runs/default/"+run.Name) || s["state"] != "pending" && s["state"] != "success" {
				t.Fatalf("the forge is told %v", s)
			}
			if heard[s["state"]] = true; s["state"] != "success" {
				continue
			}
			for _, want := range states {
				if !heard[want] {
					t.Errorf("run %s: the forge was not told %s", run.Name, want)
				}
			}
			return
		case <-deadline:
			t.Fatalf("the forge is not told that run %s passed", run.Name)
		}
	}
}

// seen waits until the newest commit was seen in the way of via and its run succeeded.
func seen(t *testing.T, r *repo, via string) {
	t.Helper()
	ctx := within(t)
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

// TestRollbackIsWrittenBackElsewhere: a pin is a revert in the repository of the forge, by
// the protocol of its pushes.
func TestRollbackIsWrittenBackElsewhere(t *testing.T) {
	together(t)
	dir, url := elsewhere(t)
	r := newRepo(t, "outward", map[string]string{".gitlab-ci.yml": noRun, "deploy/config.yaml": config("outward", "one")})
	forge := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"--git-dir", dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	forge("config", "http.receivepack", "true")
	publish := func() {
		t.Helper()
		r.commit()
		r.git("push", "--quiet", dir, "HEAD:main")
	}
	publish()
	must(t, "repo", "add", "outward", url)
	must(t, "app", "create", "outward", "--repo", "outward", "--sync", "push")
	if _, err := user.WaitApp(within(t), "outward", 1); err != nil {
		t.Fatal(err)
	}
	r.write(map[string]string{"deploy/config.yaml": config("outward", "two")})
	publish()
	must(t, "repo", "sync", "outward")
	if _, err := user.WaitApp(within(t), "outward", 2); err != nil {
		t.Fatal(err)
	}
	must(t, "kubectl", "patch", "application.slipway.dev", "outward", "--type=merge", "-p", `{"spec":{"writeBack":{"rollback":true}}}`)
	must(t, "app", "rollback", "outward", "1")
	app := becomes(t, "outward", "reverted at the forge", func(a *api.Application) bool {
		return a.Status.WrittenBack != nil && a.Status.WrittenBack.Pin == 1 && a.Status.WrittenBack.Commit != ""
	})
	if head := forge("rev-parse", "main"); head != app.Status.WrittenBack.Commit {
		t.Errorf("main is %s there, written was %s", head, app.Status.WrittenBack.Commit)
	}
	if text := forge("show", "main:deploy/config.yaml"); !strings.Contains(text, `"one"`) {
		t.Errorf("there it says\n%s", text)
	}
}
