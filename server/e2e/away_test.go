package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestRollbackWithRegistryAndForgeAway: the repository is elsewhere and its forge stops;
// the registry can neither give nor take anything. A release that fails is put back all
// the same, and a person can go back to the ones before: their sets are in the cluster or
// rendered again, their images on the node.
func TestRollbackWithRegistryAndForgeAway(t *testing.T) {
	alone(t)
	dir, forge := forgeElsewhere(t)
	tag, err := name.NewTag(strings.TrimPrefix(user.Server, "http://")+"/default/outback:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	image := nodeImage(t)
	if err := remote.Write(tag, image, remote.WithAuth(&authn.Basic{Username: "admin", Password: mustToken(t)})); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	in := func(version, command string) map[string]string {
		return map[string]string{".gitlab-ci.yml": noRun, "deploy/web.yaml": fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: outback, annotations: {version: %q}}
spec:
  replicas: 1
  selector: {matchLabels: {app: outback}}
  template:
    metadata: {labels: {app: outback}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: web, image: "%s/default/outback@%s", command: [sh, -c, %q], env: [{name: VERSION, value: %q}], readinessProbe: {exec: {command: [cat, /ready]}, periodSeconds: 1}}
`, version, api.RegistryHost, digest, command, version)}
	}
	r := newRepo(t, "outback", in("1", "echo >/ready; exec sleep 1000000"))
	publish := func() {
		t.Helper()
		r.commit()
		r.git("push", "--quiet", dir, "HEAD:main")
	}
	publish()
	must(t, "repo", "add", "outback", forge.URL+"/acme/shop.git")
	must(t, "app", "create", "outback", "--repo", "outback", "--sync", "push")
	runs := func(n int64) {
		t.Helper()
		if _, err := user.WaitApp(within(t), "outback", n); err != nil {
			t.Fatal(err)
		}
		if got := must(t, "kubectl", "get", "deployment", "outback", "-o", "jsonpath={.metadata.annotations.version} {.status.readyReplicas}"); got != fmt.Sprintf("%d 1", n) {
			t.Fatalf("release %d: the deployment is %s", n, got)
		}
	}
	runs(1)
	for n := int64(2); n <= 3; n++ {
		r.write(in(fmt.Sprint(n), "echo >/ready; exec sleep 1000000"))
		publish()
		must(t, "repo", "sync", "outback")
		runs(n)
	}
	must(t, "kubectl", "patch", "application.slipway.dev", "outback", "--type=merge", "-p", `{"spec":{"healthDeadline":"6s"}}`)
	r.write(in("4", "exec sleep 1000000")) // never ready
	publish()
	must(t, "repo", "sync", "outback")
	becomes(t, "outback", "rolls out what will fail", func(a *api.Application) bool { return a.Status.Current == 4 })

	forge.Close()
	if _, err := http.Get(forge.URL); err == nil {
		t.Fatal("the forge is still there")
	}
	takeRegistryAway(t, "default/outback/manifests/"+digest.String())

	failed := becomes(t, "outback", "is put back", func(a *api.Application) bool {
		return a.Status.Current == 3 && a.Status.Health == "Healthy" && a.Status.Sync == "Failed"
	})
	t.Log(failed.Status.Message)
	must(t, "app", "rollback", "outback", "2")
	becomes(t, "outback", "holds release 2", func(a *api.Application) bool {
		return a.Status.Current == 2 && a.Status.Health == "Healthy" && a.Status.Sync == "Pinned"
	})
	runs(2)

	// Older sets are kept by the registry alone; they are rendered again from the mirror.
	must(t, "app", "rollback", "outback", "1")
	becomes(t, "outback", "holds release 1", func(a *api.Application) bool {
		return a.Status.Current == 1 && a.Status.Health == "Healthy" && a.Status.Sync == "Pinned"
	})
	runs(1)
}

// takeRegistryAway moves all that the registry has out of its reach until the test ends.
// path is something that it had.
func takeRegistryAway(t *testing.T, path string) {
	t.Helper()
	here, there := filepath.Join(dataDir, "registry"), filepath.Join(dataDir, "registry.away")
	token, _ := scoped(t, mustToken(t), "repository:default/outback:pull")
	ask := func() int { return registryCall(t, "GET", "/v2/"+path, "Bearer", token).StatusCode }
	if code := ask(); code != http.StatusOK {
		t.Fatalf("the registry answers %d before it is taken away", code)
	}
	if err := os.Rename(here, there); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(os.Remove(here), os.Rename(there, here)); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(here, nil, 0o600); err != nil { // so that nothing can be put there
		t.Fatal(err)
	}
	if code := ask(); code == http.StatusOK {
		t.Fatal("the registry still has everything")
	}
}
