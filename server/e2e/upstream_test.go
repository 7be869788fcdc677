package e2e

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	api "slipway.dev/cluster/api/v1alpha1"
)

// upstreamAddress is where the shared server asks for docker.io. Nothing answers there
// but in the test that needs it.
const upstreamAddress = "127.0.0.1:5055"

// upstream stands in for Docker Hub and notes what it is asked for.
type upstream struct {
	server *http.Server
	mu     sync.Mutex
	asked  []string
}

// startUpstream serves at upstreamAddress, or at another address to who knows the password.
func startUpstream(t *testing.T, address, password string) *upstream {
	t.Helper()
	u := &upstream{}
	serve := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	u.server = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.asked = append(u.asked, r.Method+" "+r.URL.Path)
		u.mu.Unlock()
		if _, given, _ := r.BasicAuth(); given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="stand-in"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		serve.ServeHTTP(w, r)
	})}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- u.server.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(u.server.Close(), ended(<-done)); err != nil {
			t.Error(err)
		}
	})
	return u
}

func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// requests are those since the last time whose path has part in it.
func (u *upstream) requests(part string) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var found []string
	for _, a := range u.asked {
		if strings.Contains(a, part) {
			found = append(found, a)
		}
	}
	u.asked = nil
	return found
}

// nodeImage is a tiny image with a shell and a program named node. Each test has one of its
// own: what one of them brought to the node is not there for another one.
func nodeImage(t *testing.T) v1.Image {
	t.Helper()
	shell, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(shell)
	if err != nil {
		t.Fatal(err)
	}
	return layered(t, v1.Config{Env: []string{"PATH=/usr/local/bin:/bin"}, Cmd: []string{"node"}},
		map[string][]byte{"bin/busybox": program, "usr/local/bin/node": []byte("#!/bin/sh\n# of " + t.Name() + "\necho v22.0.0-stand-in\n")},
		map[string]string{"bin/sh": "busybox", "bin/cat": "busybox", "bin/sleep": "busybox"})
}

// TestPullThrough builds from an image that only an upstream registry has, runs what was
// built, and shows that the upstream is asked for each blob once and is not needed again.
func TestPullThrough(t *testing.T) {
	alone(t)
	u := startUpstream(t, upstreamAddress, "")
	image := nodeImage(t)
	pushTo, err := name.NewTag(upstreamAddress + "/library/node:22")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(pushTo, image); err != nil {
		t.Fatal(err)
	}
	u.requests("")

	r := newRepo(t, "upstream", map[string]string{
		"Dockerfile":      "FROM node:22\nRUN node --version > /version && cat /version\nCMD [\"sh\", \"-c\", \"cat /version; exec sleep 3600\"]\n",
		"deploy/web.yaml": strings.Split(strings.NewReplacer("NAME", "upstream", "image: busybox", "image: registry.slipway.internal/default/upstream").Replace(web), "        command:")[0],
	})
	for _, kind := range []string{"repo", "app"} { // the application goes first
		cleanUp(t, kind, "delete", "upstream")
	}
	r.push()
	if run := r.finished(); run.Status.Phase != api.Succeeded {
		t.Fatalf("%s %s\n%s", run.Status.Phase, run.Status.Message, r.log("build"))
	}
	if log := r.log("build"); !strings.Contains(log, "v22.0.0-stand-in") {
		t.Errorf("RUN did not run the image's program:\n%s", log)
	}
	if _, err := user.WaitApp(within(t), "upstream", 1); err != nil {
		t.Fatal(err)
	}
	if out := must(t, "kubectl", "logs", "deployment/upstream"); !strings.Contains(out, "v22.0.0-stand-in") {
		t.Errorf("the pod runs something else: %s", out)
	}
	// A configuration and a layer, each fetched once however often it was needed.
	if asked := u.requests("GET /v2/library/node/blobs/"); len(asked) != 2 || asked[0] == asked[1] {
		t.Errorf("the upstream was asked for blobs as %q", asked)
	}

	r.write(map[string]string{"Dockerfile": "FROM node:22\nRUN node --version > /again && cat /again\nCMD [\"sh\", \"-c\", \"cat /again; exec sleep 3600\"]\n"})
	r.push()
	if run := r.finished(); run.Status.Phase != api.Succeeded {
		t.Fatalf("%s %s\n%s", run.Status.Phase, run.Status.Message, r.log("build"))
	}
	if asked := u.requests("/blobs/"); len(asked) != 0 {
		t.Errorf("the second build asked the upstream for %q", asked)
	}

	// What the registry kept is whole, also for one who never had a blob of it and
	// while the upstream is away.
	if err := u.server.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := name.NewTag(strings.TrimPrefix(user.Server, "http://") + "/docker.io/library/node:22")
	if err != nil {
		t.Fatal(err)
	}
	copied, err := remote.Image(kept, remote.WithAuth(&authn.Basic{Username: "anyone", Password: mustToken(t)}))
	if err != nil {
		t.Fatal(err)
	}
	want, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := copied.Digest(); err != nil || got != want {
		t.Errorf("the copy is %s %v, want %s", got, err, want)
	}
	layers, err := copied.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers: %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, content) // fails at the end if the digest is another
	if err := errors.Join(err, content.Close()); err != nil {
		t.Error(err)
	}
}

// TestUpstreamLacksImage says in the build's log which image is missing, and where.
func TestUpstreamLacksImage(t *testing.T) {
	alone(t)
	startUpstream(t, upstreamAddress, "")
	r := newRepo(t, "lacking", map[string]string{"Dockerfile": "FROM node:99\n"})
	cleanUp(t, "repo", "delete", "lacking")
	r.push()
	if run := r.finished(); run.Status.Phase != api.Failed {
		t.Fatalf("%s %s", run.Status.Phase, run.Status.Message)
	}
	if log := r.log("build"); !strings.Contains(log, "docker.io/library/node:99: not found") || !strings.Contains(log, "Dockerfile:1") {
		t.Errorf("the log does not say what is missing:\n%s", log)
	}
}

// TestPullSecret has a pod pull from a registry that is not pulled through, with the
// secret that its service account names, and from one that is, where it means nothing.
func TestPullSecret(t *testing.T) {
	alone(t)
	const address, password = "127.0.0.1:5056", "planted"
	u := startUpstream(t, address, password)
	pushTo, err := name.NewTag(address + "/private/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(pushTo, nodeImage(t), remote.WithAuth(&authn.Basic{Username: "robot", Password: password})); err != nil {
		t.Fatal(err)
	}
	newNamespace(t, "outside")
	applyPod(t, "outside", "without", pushTo.String(), "Always")
	eventually(t, func() error { return refused(t, "outside", "without") })
	u.requests("")

	must(t, "kubectl", "-n", "outside", "create", "secret", "docker-registry", "robot",
		"--docker-server="+address, "--docker-username=robot", "--docker-password="+password)
	must(t, "kubectl", "-n", "outside", "patch", "serviceaccount", "default", "--patch", `{"imagePullSecrets": [{"name": "robot"}]}`)
	applyPod(t, "outside", "with", pushTo.String(), "Always")
	eventually(t, func() error {
		out, err := slipway(t, "kubectl", "-n", "outside", "logs", "with")
		if err != nil || !strings.Contains(out, "v22.0.0-stand-in") {
			return fmt.Errorf("the pod has not run: %w %s", err, out)
		}
		return nil
	})
	if len(u.requests("/v2/private/app/manifests/1")) == 0 {
		t.Error("the image came from somewhere else")
	}

	// For a registry that is pulled through, a secret changes nothing: the pod's own
	// identity counts.
	must(t, "kubectl", "-n", "outside", "create", "secret", "docker-registry", "hub",
		"--docker-server=https://index.docker.io/v1/", "--docker-username=somebody", "--docker-password=elsewhere")
	must(t, "kubectl", "-n", "outside", "patch", "serviceaccount", "default", "--patch", `{"imagePullSecrets": [{"name": "hub"}]}`)
	applyPod(t, "outside", "mirrored", "docker.io/library/debian:bookworm-slim", "Always")
	eventually(t, func() error {
		out, err := slipway(t, "kubectl", "-n", "outside", "get", "pod", "mirrored", "-o", "jsonpath={.status.containerStatuses[0].imageID}")
		if err != nil || !strings.Contains(out, "sha256:") {
			return fmt.Errorf("not pulled: %w %s", err, out)
		}
		return nil
	})
}

// TestSeedFromDirectory serves an image that only a directory on the client's machine has.
func TestSeedFromDirectory(t *testing.T) {
	together(t)
	image := nodeImage(t)
	path, err := layout.Write(t.TempDir(), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(image); err != nil {
		t.Fatal(err)
	}
	want, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if out := must(t, "image", "seed", "seeded.example/tiny:1", string(path)); !strings.Contains(out, want.String()) {
		t.Errorf("seeded %s, want %s", out, want)
	}
	kept, err := name.NewTag(strings.TrimPrefix(user.Server, "http://") + "/seeded.example/tiny:1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Head(kept, remote.WithAuth(&authn.Basic{Username: "anyone", Password: mustToken(t)}))
	if err != nil || got.Digest != want {
		t.Errorf("the registry serves %v %v, want %s", got, err, want)
	}
	if out, err := slipway(t, "image", "seed", "seeded.example/tiny:2", t.TempDir()); err == nil || !strings.Contains(out, "not an image archive") {
		t.Errorf("an empty directory: %v %s", err, out)
	}
}
