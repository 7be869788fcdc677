package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// lookedAt is a pipeline with something of everything that the page of a run shows.
const lookedAt = `
spec: {inputs: {count: {type: number, default: 1}}}
---
default: {image: busybox}
variables: {TARGET: {description: Where it goes, value: "", options: ["", staging]}}
say: {script: ["echo target is $TARGET, count is $[[ inputs.count ]], more $MORE"]}
later: {script: ["true"], rules: [{if: $TARGET, when: delayed, start_in: 1 hour}]}
careful: {script: ["true"], manual_confirmation: Really?, rules: [{if: $TARGET, when: manual, allow_failure: true}]}
unit:
  script: ["echo total $(cat percent)%", "mkdir out", "date > out/made.txt", "! grep -q failure junit.xml"]
  coverage: '/total ([\d.]+)%/'
  allow_failure: true
  artifacts: {when: always, paths: [out], reports: {junit: junit.xml}}
gate: {script: ["true"], when: manual}
slow: {script: ["for i in $(seq 900); do echo line $i; sleep 1; done"], allow_failure: true}
`

func junitOf(result string) string {
	return "<testsuite name='cart'><testcase name='adds'/><testcase name='pays'>" + result + "</testcase></testsuite>"
}

// TestConsole runs the browser's test in Chromium against the shared server.
func TestConsole(t *testing.T) {
	alone(t)
	r := newRepo(t, "looked-at", map[string]string{
		".gitlab-ci.yml":  "say: {image: busybox, script: [echo hello]}\n",
		"deploy/web.yaml": manifest("looked-at"),
	})
	must(t, "app", "create", r.name)
	r.push()
	r.finished()
	if _, err := user.WaitApp(t.Context(), r.name, 1); err != nil {
		t.Fatal(err)
	}
	r.write(map[string]string{"deploy/web.yaml": strings.Replace(manifest(r.name), "echo started", "echo again", 1)})
	r.push()
	r.finished()
	if _, err := user.WaitApp(t.Context(), r.name, 2); err != nil {
		t.Fatal(err)
	}
	seeApplication(t, r)
	seen := newRepo(t, "run-looked-at", map[string]string{".gitlab-ci.yml": lookedAt, "junit.xml": junitOf(""), "percent": "75.5"})
	seen.push()
	must(t, "run", "cancel", seen.run(), "slow")
	seen.finished()
	seen.write(map[string]string{"junit.xml": junitOf("<failure message='3 is not 4'/>"), "percent": "80"})
	seen.push()
	seen.until("its tests are known", func(run *api.Run) bool {
		return jobOf(run, "unit").Phase == api.Failed && jobOf(run, "slow").Phase == api.Running
	})
	token, err := user.Token()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "npm", "run", "--silent", "e2e")
	cmd.Dir = filepath.Join(top, "server", "console")
	cmd.Env = append(os.Environ(), "SLIPWAY_URL="+user.Server, "SLIPWAY_TOKEN="+token, "SLIPWAY_APP="+r.name, "SLIPWAY_RUN="+seen.run())
	// Pictures of the docs; a name that begins with SLIPWAY_ would be a setting of the server.
	for _, name := range []string{"CONSOLE_PICTURE", "APP_PICTURE", "DASHBOARD_PICTURE"} {
		if picture := os.Getenv(name); picture != "" && !filepath.IsAbs(picture) {
			cmd.Env = append(cmd.Env, name+"="+filepath.Join(top, picture))
		}
	}
	out, err := besideTheNode(t, user.Server, cmd)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, took, ok := strings.Cut(string(out), "first paint "); ok {
		took, _, _ = strings.Cut(took, "\n")
		t.Log("first paint " + took)
	}
}

// seeApplication asks the verbs what the page of an application shows, and makes what it is
// promoted to.
func seeApplication(t *testing.T, r *repo) {
	t.Helper()
	must(t, "app", "create", r.name+"-production", "--repo", r.name, "--promoted-from", r.name)
	cleanUp(t, "app", "delete", r.name+"-production")
	if out := must(t, "app", "list", "--search", r.name, "--health", "Healthy", "--limit", "5"); !strings.Contains(out, r.name) || strings.Contains(out, r.name+"-production") {
		t.Errorf("a list of what is healthy:\n%s", out)
	}
	tree := must(t, "app", "tree", r.name)
	for _, want := range []string{"└── Deployment/" + r.name + " ", "└── ReplicaSet/" + r.name, "└── Pod/" + r.name, "1/1 ready"} {
		if !strings.Contains(tree, want) {
			t.Errorf("the tree has no %q:\n%s", want, tree)
		}
	}
	if out := must(t, "app", "object", r.name, "Deployment/"+r.name, "--live"); !strings.Contains(out, "readyReplicas: 1") || strings.Contains(out, "managedFields") {
		t.Errorf("live:\n%s", out)
	}
	if out := must(t, "app", "object", r.name, "deployment/"+r.name, "--events"); !strings.Contains(out, "ScalingReplicaSet") {
		t.Errorf("events:\n%s", out)
	}
	if out, err := slipway(t, "app", "object", r.name, "Secret/forge"); err == nil {
		t.Errorf("an object that is not of it: %s", out)
	}
	must(t, "app", "refresh", r.name)
	// A working copy, first as it is pushed and then as it might be.
	if out := must(t, "app", "diff", r.name, "--local", r.dir); out != "" {
		t.Errorf("what is pushed differs:\n%s", out)
	}
	r.write(map[string]string{"deploy/more.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: more-keys}\nstringData: {token: planted-local}\n"})
	out, err := slipway(t, "app", "diff", r.name, "--local", filepath.Join(r.dir, "deploy"))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, "created Secret/more-keys") || strings.Contains(out, "planted-local") {
		t.Errorf("%v\n%s", err, out)
	}
	r.write(map[string]string{"deploy/more.yaml": "apiVersion: v1\nkind: [\n"})
	if out, err := slipway(t, "app", "diff", r.name, "--local", r.dir); !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(out, "more.yaml") {
		t.Errorf("a working copy that cannot be rendered: %v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(r.dir, "deploy/more.yaml")); err != nil {
		t.Fatal(err)
	}
}
