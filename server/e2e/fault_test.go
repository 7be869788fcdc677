package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"encoding/json"

	api "slipway.dev/cluster/api/v1alpha1"
)

// podsOf tells which containers of a deployment run and how often they restarted.
func podsOf(t *testing.T, label string) string {
	t.Helper()
	return must(t, "kubectl", "get", "pods", "-l", label, "-o",
		`jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount}{"\n"}{end}`)
}

// TestKilledServer is killed in the middle of a build and of a rollout: what was
// acknowledged is finished, and no pod of a healthy release restarts.
func TestKilledServer(t *testing.T) {
	steady := newRepo(t, "steady", map[string]string{"deploy/web.yaml": manifest("steady")})
	steady.push()
	if _, err := user.WaitApp(t.Context(), "steady", 1); err != nil {
		t.Fatal(err)
	}
	before := podsOf(t, "app=steady")

	r := newRepo(t, "killed", map[string]string{
		"Dockerfile":      "FROM busybox\nCOPY stamp /stamp\nRUN sleep 4\n",
		"stamp":           "1",
		"deploy/web.yaml": strings.Replace(manifest("killed"), "image: busybox", "image: registry.slipway.internal/default/killed", 1),
	})
	r.push()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := user.WaitRun(ctx, r.run(), func(r *api.Run) bool {
		return len(r.Status.Jobs) > 0 && r.Status.Jobs[0].Phase == api.Running
	}); err != nil {
		t.Fatal(err)
	}
	kill(t) // in the middle of the build
	run := r.finished()
	if run.Status.Phase != api.Succeeded {
		// The attempt that the kill hit may be reported as failed; asked again it has to work.
		if run.Status.Message == "" && run.Status.Jobs[0].Message == "" {
			t.Errorf("run %s failed and does not say why", run.Name)
		}
		must(t, "run", "rerun", run.Name)
	}
	if _, err := user.WaitApp(t.Context(), "killed", 1); err != nil {
		t.Fatal(err)
	}

	steady.write(map[string]string{"deploy/web.yaml": strings.Replace(manifest("steady"), "echo started", "echo again", 1)})
	steady.push()
	if _, err := user.WaitRun(ctx, steady.run(), func(*api.Run) bool { return true }); err != nil {
		t.Fatal(err)
	}
	kill(t) // in the middle of the rollout
	if _, err := user.WaitApp(t.Context(), "steady", 2); err != nil {
		t.Fatal(err)
	}
	after := podsOf(t, "app=steady")
	kill(t) // at rest
	if _, err := user.WaitApp(t.Context(), "steady", 2); err != nil {
		t.Fatal(err)
	}
	if again := podsOf(t, "app=steady"); again != after || before == after {
		t.Errorf("pods changed over a restart of the server:\n%s\n%s\n%s", before, after, again)
	}
}

// TestKilledDaemons come back, and pods never notice.
func TestKilledDaemons(t *testing.T) {
	r := newRepo(t, "calm", map[string]string{"deploy/web.yaml": manifest("calm")})
	r.push()
	if _, err := user.WaitApp(t.Context(), "calm", 1); err != nil {
		t.Fatal(err)
	}
	before := podsOf(t, "app=calm")
	for _, name := range []string{"containerd", "kubelet"} {
		b, err := os.ReadFile(filepath.Join(dataDir, "run", name+".pid"))
		if err != nil {
			t.Fatal(err)
		}
		var record struct{ PID int }
		if err := json.Unmarshal(b, &record); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(record.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, func() error {
			s, err := user.Status(t.Context())
			if err != nil || !s.Ready {
				return fmt.Errorf("%v %v", err, s)
			}
			now, err := os.ReadFile(filepath.Join(dataDir, "run", name+".pid"))
			if err != nil || string(now) == string(b) {
				return fmt.Errorf("%s was not started again: %v", name, err)
			}
			return nil
		})
	}
	if after := podsOf(t, "app=calm"); after != before {
		t.Errorf("pods changed:\n%s\n%s", before, after)
	}
}
