package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestFilesOfOtherServers: a pipeline includes them, by hash, and as old as cache says;
// also a child pipeline does.
func TestFilesOfOtherServers(t *testing.T) {
	together(t)
	const kept = "kept: {image: busybox, script: [echo kept]}\n"
	var mu sync.Mutex
	asked := map[string]int{}
	files := map[string]string{"/kept.yml": kept, "/fresh.yml": "fresh: {image: busybox, script: [echo fresh]}\n", "/child.yml": "child: {image: busybox, script: [echo child]}\n"}
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.URL.Path]++
		_, _ = w.Write([]byte(files[r.URL.Path]))
	}))
	defer there.Close()
	sum := sha256.Sum256([]byte(kept))
	pipeline := strings.NewReplacer("THERE", there.URL, "SUM", base64.StdEncoding.EncodeToString(sum[:])).Replace(`
include:
  - {remote: THERE/kept.yml, cache: 1 hour, integrity: sha256-SUM}
  - THERE/fresh.yml
kids: {trigger: {include: [{remote: THERE/child.yml}], strategy: depend}}
`)
	r := newRepo(t, "otherservers", map[string]string{".gitlab-ci.yml": pipeline})
	for range 2 {
		r.push()
		if run := r.finished(); run.Status.Phase != api.Succeeded || len(run.Status.Jobs) != 3 {
			t.Fatalf("%s %s %+v", run.Status.Phase, run.Status.Message, run.Status.Problems)
		}
		if log := r.log("kept") + r.log("fresh"); !strings.Contains(log, "\nkept") || !strings.Contains(log, "\nfresh") {
			t.Errorf("logs:\n%s", log)
		}
	}
	mu.Lock()
	if asked["/kept.yml"] != 1 || asked["/fresh.yml"] != 2 || asked["/child.yml"] != 2 {
		t.Errorf("fetched %v times", asked)
	}
	files["/fresh.yml"] = strings.Repeat(" ", 2<<20)
	mu.Unlock()
	r.write(map[string]string{".gitlab-ci.yml": strings.Replace(pipeline, "sha256-", "sha256-AA", 1)})
	r.push()
	run := r.finished()
	said := ""
	for _, p := range run.Status.Problems {
		said += p.Message + "\n"
	}
	if run.Status.Phase != api.Failed || !strings.Contains(said, "integrity is sha256-") || !strings.Contains(said, "more than 1048576 bytes") {
		t.Errorf("%s %q", run.Status.Phase, said)
	}
}

// TestJobsOfANode: tags are labels that somebody gives a node, and docker:platform is one
// that it has; without such a node nothing starts.
func TestJobsOfANode(t *testing.T) {
	together(t)
	const label = "slipway.test/disk"
	r := newRepo(t, "labelled", map[string]string{".gitlab-ci.yml": strings.ReplaceAll(`
job:
  tags: [slipway.test/disk=fast]
  image: {name: busybox, docker: {platform: linux/ARCH}}
  services: [{name: busybox, alias: web, command: [httpd, -f, -p, "8090"], variables: {HEALTHCHECK_TCP_PORT: "8090"}, docker: {platform: linux/ARCH, user: "1000"}}]
  script: ['echo "on $CI_RUNNER_TAGS"']
`, "ARCH", runtime.GOARCH)})
	r.push()
	if run := r.finished(); run.Status.Phase != api.Failed || !strings.Contains(run.Status.Message, "no node has the label "+label) {
		t.Errorf("without the label: %s %q", run.Status.Phase, run.Status.Message)
	}
	must(t, "kubectl", "label", "node", "--all", label+"=fast")
	cleanUp(t, "kubectl", "label", "node", "--all", label+"-")
	r.push()
	if run := r.finished(); run.Status.Phase != api.Succeeded || !strings.Contains(r.log("job"), label) {
		t.Errorf("with the label: %s %q\n%s", run.Status.Phase, run.Status.Message, r.log("job"))
	}
}
