package e2e

import (
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
slow: {script: ["for i in $(seq 60); do echo line $i; sleep 1; done"], allow_failure: true}
`

func junitOf(result string) string {
	return "<testsuite name='cart'><testcase name='adds'/><testcase name='pays'>" + result + "</testcase></testsuite>"
}

// TestConsole runs the browser's test in Chromium against the shared server.
func TestConsole(t *testing.T) {
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
	if picture := os.Getenv("SLIPWAY_PICTURE"); picture != "" && !filepath.IsAbs(picture) {
		cmd.Env = append(cmd.Env, "SLIPWAY_PICTURE="+filepath.Join(top, picture))
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
