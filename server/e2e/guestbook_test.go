package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestGuestbook pushes the second example as it is: its own tests, an image of two
// stages, two services, and a volume that outlives the pod that writes to it.
func TestGuestbook(t *testing.T) {
	together(t)
	r := fromExample(t, "guestbook", "guestbook")
	removed := false
	t.Cleanup(func() {
		if !removed { // the test failed before it came to that
			out, _ := slipway(t, "kubectl", "logs", "--prefix", "-l", "app in (guestbook-web,guestbook-store)")
			t.Log(out)
			_, err := slipway(t, "app", "delete", "guestbook")
			_, err2 := slipway(t, "repo", "delete", "guestbook")
			t.Log("clean-up:", err, err2)
		}
	})
	begun := time.Now()
	r.push()
	run := r.finished()
	for _, j := range run.Status.Jobs {
		if j.StartedAt != nil && j.FinishedAt != nil {
			t.Logf("job %s: %s in %s", j.Name, j.Phase, j.FinishedAt.Sub(j.StartedAt.Time).Round(100*time.Millisecond))
		}
	}
	if run.Status.Phase != api.Succeeded {
		t.Fatalf("%s: %s\n%s\n%s", run.Status.Phase, run.Status.Message, r.log("test"), r.log("build"))
	}
	for _, name := range []string{"test", "build", "deploy"} {
		if jobOf(run, name).Phase != api.Succeeded {
			t.Errorf("job %s is %q", name, jobOf(run, name).Phase)
		}
	}
	if got := r.archive("test")["test.log"]; !strings.Contains(got, "--- PASS: TestSignAndShow") || !strings.Contains(got, "ok  \tguestbook") {
		t.Errorf("test.log is not what go test printed:\n%s", got)
	}
	app, err := user.WaitApp(within(t), "guestbook", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("push to a healthy release: %s", time.Since(begun).Round(time.Second))
	if len(app.Status.Addresses) != 1 || app.Status.Healthy != 1 {
		t.Fatalf("status %+v", app.Status)
	}
	address := app.Status.Addresses[0]

	// Healthy is what Kubernetes says; every node's proxy follows at once, not before.
	eventually(t, func() error { return shows(t, address, "Nobody yet") })
	const entry = "an entry that outlives its pod"
	resp, err := http.PostForm(address+"/sign", url.Values{"name": {"Ada"}, "text": {entry}})
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(page), entry) {
		t.Fatalf("signed: %v %s\n%s", err, resp.Status, page)
	}
	before := podsOf(t, "app=guestbook-store")
	must(t, "kubectl", "delete", "pod", "-l", "app=guestbook-store")
	must(t, "kubectl", "rollout", "status", "deployment/guestbook-store", "--timeout=5m")
	if after := podsOf(t, "app=guestbook-store"); after == before || after == "" {
		t.Errorf("the store's pod was not replaced: %s", after)
	}
	eventually(t, func() error { return shows(t, address, "Ada", entry) })

	must(t, "app", "delete", "guestbook")
	must(t, "repo", "delete", "guestbook")
	removed = true
	eventually(t, func() error {
		out, err := slipway(t, "kubectl", "get", "deployments,services", "-l", "app.kubernetes.io/part-of=guestbook", "-o", "name")
		if err != nil || strings.TrimSpace(out) != "" {
			return fmt.Errorf("left of guestbook: %w %s", err, out)
		}
		return nil
	})
	volume := filepath.Join(dataDir, "volumes", must(t, "kubectl", "get", "persistentvolumeclaim", "guestbook-data", "-o", "jsonpath={.spec.volumeName}"))
	if _, err := os.Stat(volume); err != nil {
		t.Errorf("the volume went with the application: %v", err)
	}
	must(t, "kubectl", "delete", "persistentvolumeclaim", "guestbook-data") // what people wrote is for people to delete
	eventually(t, func() error {
		if _, err := os.Stat(volume); !os.IsNotExist(err) {
			return fmt.Errorf("volume %s is left: %v", volume, err)
		}
		return nil
	})
	if out, err := r.command(mustToken(t), "ls-remote", r.url()); err == nil {
		t.Errorf("the repository is still there: %s", out)
	}
}

// shows says whether the page at address has all texts.
func shows(t *testing.T, address string, texts ...string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	for _, text := range texts {
		if err == nil && !strings.Contains(string(page), text) {
			err = fmt.Errorf("%s answers %s without %q:\n%s", address, resp.Status, text, page)
		}
	}
	return err
}

// jobOf finds a job of a run; the zero value if it has none of that name.
func jobOf(run *api.Run, name string) api.JobStatus {
	for _, j := range run.Status.Jobs {
		if j.Name == name {
			return j
		}
	}
	return api.JobStatus{}
}

// within is the test's context with a deadline.
func mustToken(t *testing.T) string {
	t.Helper()
	token, err := user.Token()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
