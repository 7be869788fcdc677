package e2e

import (
	"fmt"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestServices: containers beside a job are reached by name and alias, with their own
// command, entrypoint and variables; the job waits until they answer, and they end with it.
func TestServices(t *testing.T) {
	together(t)
	r := newRepo(t, "services", map[string]string{"Dockerfile": "FROM busybox\nRUN mkdir /www && echo 'from the image' > /www/index.html\nCOPY serve /\nEXPOSE 8081\nENTRYPOINT [\"sh\", \"/serve\"]\nCMD [\"8081\"]\n",
		"serve": "trap 'exit 0' TERM\nhttpd -p $1 -h /www\nwhile :; do sleep 1; done\n", ".gitlab-ci.yml": `
stages: [make, use]
default: {image: busybox}
variables: {SHARED: from-the-job}
made:
  stage: make
  script: [docker build -t $CI_REGISTRY_IMAGE/web:1 ., docker push $CI_REGISTRY_IMAGE/web:1]
uses:
  stage: use
  services:
    - $CI_REGISTRY_IMAGE/web:1
    - name: busybox
      alias: api,second
      variables: {ANSWER: "$SHARED-and-the-service", HEALTHCHECK_TCP_PORT: "8090"}
      entrypoint: ["/bin/sh", "-c"]
      command: ["sleep 2; trap 'exit 0' TERM; mkdir -p /tmp/w && echo \"$ANSWER\" > /tmp/w/answer && httpd -p 8090 -h /tmp/w; while :; do sleep 1; done"]
    - name: debian:bookworm-slim
      alias: idle
      command: [sh, -c, "trap '' TERM; while :; do sleep 1; done"] # GitLab Runner would not wait for it either
  script:
    - wget -q -O - http://api:8090/answer
    - wget -q -O - http://second:8090/answer
    - wget -q -O - http://registry.slipway.internal-default-services-web:8081/
    - wget -q -O - http://registry.slipway.internal__default__services__web:8081/
    - grep idle /etc/hosts
dies:
  stage: use
  services:
    - name: busybox
      alias: broken
      variables: {HEALTHCHECK_TCP_PORT: "8091"}
      command: [sh, -c, "echo planted last words; exit 9"]
  script: [echo the script ran, "false"]
mute:
  stage: use
  services:
    - name: busybox
      alias: quiet
      pull_policy: always
      variables: {HEALTHCHECK_TCP_PORT: "8092"}
      command: [sh, -c, "trap 'exit 0' TERM; echo planted first words; while :; do sleep 1; done"]
  script: [echo the script ran all the same]
daemon:
  stage: use
  services: ["docker:dind", {name: "docker:27-dind", alias: mydind}]
  script: ['test "$SLIPWAY_DIND"', "! grep mydind /etc/hosts"]
`})
	r.push()
	run := r.finished()
	want := map[string]api.Phase{"made": api.Succeeded, "uses": api.Succeeded, "dies": api.Failed, "mute": api.Succeeded, "daemon": api.Succeeded}
	for _, j := range run.Status.Jobs {
		if j.Phase != want[j.Name] {
			t.Errorf("job %s is %s: %s\n%s", j.Name, j.Phase, j.Message, r.log(j.Name))
		}
	}
	for job, texts := range map[string][]string{
		"uses":   {"from-the-job-and-the-service", "from the image"},
		"dies":   {"Service busybox (busybox, broken) probably didn't start properly", "it ended with exit code 9", "planted last words", "the script ran"},
		"mute":   {"Service busybox (busybox, quiet) probably didn't start properly", "no answer on its ports", "planted first words", "the script ran all the same"},
		"daemon": {"docker:dind is left out", "docker:27-dind is left out", "WARNING"},
	} {
		log := r.log(job)
		for _, text := range texts {
			if !strings.Contains(log, text) {
				t.Errorf("the log of %s lacks %q:\n%s", job, text, log)
			}
		}
	}
	if n := strings.Count(r.log("uses"), "from-the-job-and-the-service"); n < 2 {
		t.Errorf("the service answered %d times, want 2 at least:\n%s", n, r.log("uses"))
	}
	// No service outlives its job, not even one that ignores SIGTERM, which Tekton alone would
	// wait 30 seconds for.
	eventually(t, func() error {
		out := must(t, "kubectl", "get", "pods", "-l", "slipway.dev/run="+run.Name, "--field-selector=status.phase=Running", "-o", "name")
		if strings.TrimSpace(out) != "" && !strings.Contains(out, "No resources") {
			return fmt.Errorf("still running: %s", out)
		}
		// A service whose image is looked up each time is ended by one that is looked up, too.
		out = must(t, "kubectl", "get", "pods", "-l", "slipway.dev/run="+run.Name, "-o", "jsonpath={.items[*].status.containerStatuses[*].state.waiting.message}")
		if strings.Contains(out, "image") {
			return fmt.Errorf("a service cannot be ended: %s", out)
		}
		return nil
	})
	out := must(t, "kubectl", "get", "events", "--field-selector=reason=Failed", "-o", "jsonpath={.items[*].message}")
	if i := strings.Index(out, api.RegistryHost+"/system/"); i >= 0 {
		t.Errorf("a system image was not there for a pod: %s", out[i:])
	}
}

// TestImagesThatCannotBePulled fail their job at the first try, with the image, the reason and
// what to do.
func TestImagesThatCannotBePulled(t *testing.T) {
	alone(t)
	r := newRepo(t, "unpulled", map[string]string{".gitlab-ci.yml": `
stages: [test]
absent:
  image: $CI_REGISTRY/default/unpulled:absent
  script: [echo never]
upstream:
  image: no-such-image-anywhere:1
  script: [echo never]
service:
  image: busybox
  services: [{name: "$CI_REGISTRY/default/unpulled/db:absent", alias: db}]
  script: [echo never]
again:
  image: $CI_REGISTRY/default/unpulled:absent
  script: [echo never]
  retry: 1
`})
	r.push()
	run := r.finished()
	for job, wants := range map[string][]string{
		"absent":   {api.RegistryHost + "/default/unpulled:absent", "not found"},
		"upstream": {"no-such-image-anywhere:1", "slipway image seed"},
		"service":  {"service", api.RegistryHost + "/default/unpulled/db:absent", "not found"},
		"again":    {"not found"},
	} {
		j := jobOf(run, job)
		if j.Phase != api.Failed || j.FinishedAt == nil {
			t.Errorf("job %s is %s: %s", job, j.Phase, j.Message)
			continue
		}
		if j.StartedAt == nil { // refused before its pod was made
			j.StartedAt = j.FinishedAt
		}
		if job == "again" && j.Attempt != 2 {
			t.Errorf("the job with a retry had %d attempts", j.Attempt)
		}
		t.Logf("job %s, attempt %d, failed after %.1f s: %s", job, j.Attempt, j.FinishedAt.Sub(j.StartedAt.Time).Seconds(), j.Message)
		for _, w := range wants {
			if !strings.Contains(j.Message, w) {
				t.Errorf("the message of %s lacks %q: %s", job, w, j.Message)
			}
		}
	}
	eventually(t, func() error {
		out := must(t, "kubectl", "get", "pods", "-l", "slipway.dev/run="+run.Name, "--field-selector=status.phase=Pending", "-o", "name")
		if strings.TrimSpace(out) != "" && !strings.Contains(out, "No resources") {
			return fmt.Errorf("still waiting for their images: %s", out)
		}
		return nil
	})
	r.write(map[string]string{".gitlab-ci.yml": "malformed: {image: \"UPPER/Case::x\", script: [echo never]}\n"})
	r.push()
	run = r.finished()
	if run.Status.Phase != api.Failed || len(run.Status.Jobs) != 0 || len(run.Status.Problems) == 0 || !strings.Contains(run.Status.Problems[0].Message, "UPPER/Case::x") {
		t.Errorf("a name that is no image: %+v", run.Status)
	}
}
