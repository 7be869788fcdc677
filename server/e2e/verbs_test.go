package e2e

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPipelineVerbs looks at files of a checkout as people do before they push.
func TestPipelineVerbs(t *testing.T) {
	together(t)
	r := newRepo(t, "verbs", map[string]string{"Dockerfile": "FROM scratch\n", "ci/more.yml": "more: {script: [echo more]}\n", ".gitlab-ci.yml": `
spec: {inputs: {count: {type: number, default: 1}}}
---
include: [ci/*.yml]
docker: {rules: [{exists: [Dockerfile]}], script: ["echo $[[ inputs.count ]]"]}
docs: {rules: [{changes: [docs/*]}], script: [echo docs]}
tag: {rules: [{if: $CI_COMMIT_TAG}], script: [echo tag]}
night: {rules: [{if: '$CI_PIPELINE_SOURCE == "schedule" && $TARGET == "a,b=c"'}], script: [echo night]}
`})
	r.commit()
	r.write(map[string]string{"docs/a": "new"}) // not committed
	file := filepath.Join(r.dir, ".gitlab-ci.yml")
	run := func(args ...string) (string, int) {
		out, err := slipway(t, append([]string{"pipeline"}, args...)...)
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return out, exit.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return out, 0
	}
	for args, want := range map[string]string{
		"":                                     "more docker docs",
		"--ref v1":                             "more docker docs",
		"--ref refs/tags/v1":                   "more docker docs tag",
		"--source schedule --var TARGET=a,b=c": "more docker docs night",
		"--input count=7":                      "more docker docs",
	} {
		out, code := run(append([]string{"show", file, "--format", "json"}, strings.Fields(args)...)...)
		var p struct {
			Jobs []struct {
				Name   string
				Script struct{ Main []string }
			}
		}
		if err := json.Unmarshal([]byte(out), &p); err != nil || code != 0 {
			t.Fatalf("show %s: %d %v\n%s", args, code, err, out)
		}
		var names []string
		for _, j := range p.Jobs {
			names = append(names, j.Name)
			if count := strings.TrimPrefix(args, "--input count="); j.Name == "docker" && count != args && j.Script.Main[0] != "echo "+count {
				t.Errorf("%s: %+v", args, j)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("show %s: %q, want %q", args, got, want)
		}
	}
	if out, code := run("show", file, "--job", "more"); code != 0 || !strings.Contains(out, "STAGE") || !strings.Contains(out, "- echo more") || strings.Contains(out, "- echo docs") {
		t.Errorf("show: %d\n%s", code, out)
	}
	if out, code := run("lint", file); code != 0 || out != ".gitlab-ci.yml: valid, 3 jobs\n" {
		t.Errorf("lint: %d\n%s", code, out)
	}
	r.write(map[string]string{"ci/more.yml": "more:\n  scirpt: [x]\n"})
	if out, code := run("lint", file); code != 1 || !strings.Contains(out, `ci/more.yml:2:3: unknown key "scirpt" in a job [unknown-key]`+"\n    did you mean \"script\"?\n") {
		t.Errorf("lint: %d\n%s", code, out)
	}
	out, code := run("lint", file, "--format", "sarif")
	var log struct {
		Version string
		Runs    []struct{ Results []struct{ RuleID string } }
	}
	if err := json.Unmarshal([]byte(out), &log); err != nil || code != 1 || log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) != 2 {
		t.Errorf("lint in SARIF: %d %v\n%s", code, err, out)
	}
	for _, args := range [][]string{{"lint", file + "x"}, {"lint", file, "--format", "xml"}, {"lint", file, "--source", "magic"}, {"show", file, "--var", "1=2"}} {
		if out, code := run(args...); code != 2 {
			t.Errorf("%v: exit status %d\n%s", args, code, out)
		}
	}
}
