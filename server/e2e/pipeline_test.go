package e2e

import (
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestPipelineFile runs a .gitlab-ci.yml with most of what the language has here.
func TestPipelineFile(t *testing.T) {
	together(t)
	r := newRepo(t, "pipeline", map[string]string{"data.txt": "from the repository\n", ".gitlab-ci.yml": `
stages: [make, check]
default: {image: busybox}
variables: {GREETING: "hello $CI_PROJECT_NAME"}
make:
  stage: make
  before_script: ["mkdir -p out"]
  script:
    - echo "$GREETING" > out/greeting
    - cat data.txt
  after_script: ["echo after $CI_JOB_STATUS"]
  artifacts: {paths: [out/]}
check:
  stage: check
  needs: [make]
  script: ["cat out/greeting", "test \"$(cat out/greeting)\" = 'hello pipeline'"]
flaky:
  stage: check
  script: ["exit 3"]
  allow_failure: true
never:
  stage: check
  rules: [{if: '$CI_COMMIT_BRANCH == "other"'}]
  script: ["echo should not run"]
`})
	pushed := r.push()
	if !strings.Contains(pushed, "remote:") || !strings.Contains(pushed, r.run()) {
		t.Errorf("the push does not say the run's address: %s", pushed)
	}
	run := r.finished()
	if run.Status.Phase != api.Succeeded {
		t.Fatalf("%s %s %+v\n%s", run.Status.Phase, run.Status.Message, run.Status.Problems, serverLog(20))
	}
	want := map[string]api.Phase{"make": api.Succeeded, "check": api.Succeeded, "flaky": api.Failed}
	for _, j := range run.Status.Jobs {
		if want[j.Name] != j.Phase {
			t.Errorf("job %s is %s: %s", j.Name, j.Phase, j.Message)
		}
		if j.Name == "flaky" && (j.ExitCode == nil || *j.ExitCode != 3) {
			t.Errorf("flaky's exit code: %v", j.ExitCode)
		}
		delete(want, j.Name)
	}
	if len(want) > 0 {
		t.Errorf("jobs that did not run: %v", want)
	}
	for job, text := range map[string]string{"make": "from the repository", "check": "hello pipeline"} {
		if log := r.log(job); !strings.Contains(log, text) {
			t.Errorf("the log of %s lacks %q:\n%s", job, text, log)
		}
	}
	if log := r.log("make"); !strings.Contains(log, "after success") {
		t.Errorf("after_script did not run:\n%s", log)
	}
}

// TestBadPipelineFiles are refused with their place, and nothing starts.
func TestBadPipelineFiles(t *testing.T) {
	together(t)
	for name, tc := range map[string]struct {
		file string
		line int
		text string
	}{
		"yaml":      {"job:\n  script: [a\n", 2, ""},
		"unknown":   {"job:\n  script: [a]\n  scirpt: [b]\n", 3, "scirpt"},
		"cycle":     {"a: {script: [x], needs: [b]}\nb: {script: [x], needs: [a]}\n", 0, "a -> b -> a"},
		"no-script": {"job:\n  stage: test\n", 0, "script"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t, "bad-"+name, map[string]string{".gitlab-ci.yml": tc.file})
			r.push()
			run := r.finished()
			if run.Status.Phase != api.Failed || len(run.Status.Problems) == 0 {
				t.Fatalf("%s %+v", run.Status.Phase, run.Status)
			}
			p := run.Status.Problems[0]
			if p.File != ".gitlab-ci.yml" || p.Line == 0 || p.Column == 0 || (tc.line != 0 && p.Line != tc.line) || !strings.Contains(p.Message, tc.text) {
				t.Errorf("problem %+v", p)
			}
			for _, j := range run.Status.Jobs {
				if j.Attempt > 0 {
					t.Errorf("job %s started", j.Name)
				}
			}
		})
	}
}

// TestFailingDockerfile shows the failing line and its output.
func TestFailingDockerfile(t *testing.T) {
	together(t)
	r := newRepo(t, "bad-dockerfile", map[string]string{"Dockerfile": "FROM busybox\nRUN echo planted output; exit 7\n"})
	r.push()
	if run := r.finished(); run.Status.Phase != api.Failed {
		t.Fatalf("%s %s", run.Status.Phase, run.Status.Message)
	}
	log := r.log("build")
	for _, want := range []string{"planted output", "Dockerfile:2", "exit code: 7"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}
