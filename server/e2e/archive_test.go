package e2e

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

var errStill = errors.New("not so yet")

// TestArchive: a run that is over leaves Kubernetes and is still listed, shown, read and
// begun again, also after the server was killed.
func TestArchive(t *testing.T) {
	alone(t)
	r := newRepo(t, "archived", map[string]string{".gitlab-ci.yml": `
default: {image: busybox}
made: {script: ["echo said in the first run", "date > made"], artifacts: {paths: [made]}}
used: {stage: deploy, script: ["cat made"]}
`})
	r.push()
	first := r.finished()
	r.push()
	r.finished()
	server.signal(syscall.SIGKILL)
	var err error
	if server, err = start("--runs-archive-after=1s"); err != nil {
		t.Fatal(err)
	}
	if err := ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone := func(gone bool) {
		t.Helper()
		eventually(t, func() error {
			out, err := slipway(t, "kubectl", "get", "runs.slipway.dev", first.Name, "--ignore-not-found", "-o", "name")
			if err == nil && (strings.TrimSpace(out) == "") != gone {
				err = errStill
			}
			return err
		})
	}
	gone(true)
	for range 2 {
		if out := must(t, "run", "list", "--repo", r.name); !strings.Contains(out, first.Name+" ") || !strings.Contains(out, r.run()+" ") {
			t.Fatalf("run list:\n%s", out)
		}
		if out := must(t, "run", "list", "--repo", r.name, "--limit", "1"); strings.Contains(out, first.Name+" ") {
			t.Fatalf("run list --limit 1:\n%s", out)
		}
		if out := must(t, "run", "get", first.Name); !strings.Contains(out, "Succeeded") || !strings.Contains(out, "used") {
			t.Fatalf("run get:\n%s", out)
		}
		if out := must(t, "run", "logs", first.Name); !strings.Contains(out, "said in the first run") {
			t.Fatalf("run logs:\n%s", out)
		}
		server.signal(syscall.SIGKILL)
		if server, err = start("--runs-archive-after=1h"); err != nil {
			t.Fatal(err)
		}
		if err := ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	token := mustToken(t)
	if code := status(t, "GET", user.Server+user.Path("runs", first.Name, "jobs", "made", "artifacts"), token); code != 200 {
		t.Fatalf("artifacts of an archived run: %d", code)
	}
	must(t, "run", "rerun", first.Name, "--from", "used")
	gone(false)
	again := r.untilRun(first.Name, "used is done again", func(run *api.Run) bool { return over(run) && jobOf(run, "used").Attempt == 2 })
	if jobOf(again, "used").Phase != "Succeeded" || jobOf(again, "made").Attempt != 1 {
		t.Fatalf("the run began again as %+v", again.Status.Jobs)
	}
	must(t, "run", "delete", first.Name)
	eventually(t, func() error {
		if _, err := slipway(t, "run", "get", first.Name); err == nil {
			return errStill
		}
		return nil
	})
	kill(t)
}
