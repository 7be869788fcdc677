package embedded

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// hub is a stand-in for Docker Hub: a distribution registry of its own, which
// counts what it is asked and can go away.
type hub struct {
	*Registry
	url   string
	asked atomic.Int64
	heads atomic.Int64
	gone  atomic.Bool
}

func newHub(t *testing.T) *hub {
	t.Helper()
	r, err := New(Options{Dir: t.TempDir(), Authenticator: people{}, Authorizer: people{}, Upstreams: []UpstreamRegistry{}})
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{Registry: r}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if h.gone.Load() {
			panic(http.ErrAbortHandler)
		}
		if strings.Contains(req.URL.Path, "/blobs/") && req.Method == http.MethodGet {
			h.asked.Add(1)
		}
		if strings.HasPrefix(req.UserAgent(), "slipway") {
			h.heads.Add(1)
		}
		r.ServeHTTP(w, req)
	}))
	h.url = s.URL
	t.Cleanup(func() { s.Close(); _ = r.Close() })
	return h
}

// push puts an index of two platforms on the hub as default/library/node.
func (h *hub) push(t *testing.T, tagName string) (v1.ImageIndex, v1.Image) {
	t.Helper()
	img, err := random.Image(200_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	other, err := random.Image(1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	dst := tag(t, strings.TrimPrefix(h.url, "http://")+"/default/library/node:"+tagName)
	if err := remote.WriteIndex(dst, index, remote.WithAuth(as("default"))); err != nil {
		t.Fatal(err)
	}
	return index, img
}

func (h *hub) upstream(o *Options) {
	o.Upstreams = []UpstreamRegistry{{Host: "docker.io", URL: h.url + "/default", Username: "x", Password: "default-secret", AllowPrivate: true}}
	o.Revalidate = time.Nanosecond
}

const acceptAll = "application/vnd.oci.image.index.v1+json,application/vnd.oci.image.manifest.v1+json," +
	"application/vnd.docker.distribution.manifest.v2+json,application/vnd.docker.distribution.manifest.list.v2+json"

func TestPullThroughAsContainerdDoes(t *testing.T) {
	h := newHub(t)
	index, img := h.push(t, "22")
	_, host := open(t, h.upstream)
	want, _ := index.Digest()
	child, _ := img.Digest()
	layers, _ := img.Layers()
	blob, _ := layers[0].Digest()
	base := "http://" + host + "/v2/library/node"
	token := "Bearer " + getToken(t, host, "reader", "repository:docker.io/library/node:pull repository:library/node:pull")

	if res := do(t, http.MethodHead, base+"/manifests/22?ns=docker.io", "", "Accept", acceptAll); res.StatusCode != http.StatusUnauthorized || h.asked.Load() != 0 {
		t.Fatalf("without a token: %s", res.Status)
	}
	res := do(t, http.MethodHead, base+"/manifests/22?ns=docker.io", token, "Accept", acceptAll)
	if res.StatusCode != http.StatusOK || res.Header.Get("Docker-Content-Digest") != want.String() {
		t.Fatalf("HEAD by tag: %s %s, want %s", res.Status, res.Header.Get("Docker-Content-Digest"), want)
	}
	for _, d := range []v1.Hash{want, child} {
		if res := do(t, http.MethodGet, base+"/manifests/"+d.String()+"?ns=docker.io", token, "Accept", acceptAll); res.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %s", d, res.Status)
		}
	}
	// A hundred nodes ask for one layer at once: one fetch.
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if res := do(t, http.MethodGet, base+"/blobs/"+blob.String()+"?ns=docker.io", token); res.StatusCode != http.StatusOK {
				t.Errorf("GET blob: %s", res.Status)
			}
		})
	}
	wg.Wait()
	if n := h.asked.Load(); n != 1 {
		t.Errorf("one layer was fetched %d times", n)
	}
	res = do(t, http.MethodGet, base+"/blobs/"+blob.String()+"?ns=docker.io", token, "Range", "bytes=100-199")
	if res.StatusCode != http.StatusPartialContent || res.ContentLength != 100 {
		t.Errorf("range: %s, %d bytes", res.Status, res.ContentLength)
	}
	if res := do(t, http.MethodGet, base+"/manifests/none?ns=docker.io", token, "Accept", acceptAll); res.StatusCode != http.StatusNotFound {
		t.Errorf("a tag that is nowhere: %s", res.Status)
	}
	if res := do(t, http.MethodGet, "http://"+host+"/v2/library/node/manifests/22?ns=other.example", token, "Accept", acceptAll); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token for one upstream used for another: %s", res.Status)
	}
}

func TestUpstreamGoesAwayAndMoves(t *testing.T) {
	h := newHub(t)
	first, img := h.push(t, "22")
	r, host := open(t, h.upstream)
	name := host + "/docker.io/library/node:22"
	pull := func(want v1.ImageIndex) {
		t.Helper()
		d, err := remote.Head(tag(t, name), remote.WithAuth(as("reader")))
		w, _ := want.Digest()
		if err != nil || d.Digest != w {
			t.Fatalf("pulled %v, %v; want %s", d, err, w)
		}
	}
	pull(first)
	layers, _ := img.Layers()
	diff, _ := layers[0].Digest()
	token := "Bearer " + getToken(t, host, "reader", "repository:docker.io/library/node:pull")
	blobURL := "http://" + host + "/v2/docker.io/library/node/blobs/" + diff.String()
	if res := do(t, http.MethodGet, blobURL, token); res.StatusCode != http.StatusOK {
		t.Fatalf("blob: %s", res.Status)
	}
	h.gone.Store(true)
	pull(first)
	if res := do(t, http.MethodGet, blobURL, token); res.StatusCode != http.StatusOK {
		t.Fatalf("cached blob with the upstream gone: %s", res.Status)
	}
	res := do(t, http.MethodGet, "http://"+host+"/v2/docker.io/library/node/manifests/23", token, "Accept", acceptAll)
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(readAll(t, res), "neither cached nor seeded") {
		t.Fatalf("neither cached nor reachable: %s", res.Status)
	}
	h.gone.Store(false)
	second, _ := h.push(t, "22")
	r.mirror.setDue("docker.io/library/node:22", -time.Second)
	pull(second)
}

func TestUpstreamAtPrivateAddressIsRefused(t *testing.T) {
	h := newHub(t)
	h.push(t, "22")
	_, host := open(t, func(o *Options) { h.upstream(o); o.Upstreams[0].AllowPrivate = false })
	token := "Bearer " + getToken(t, host, "reader", "repository:docker.io/library/node:pull")
	res := do(t, http.MethodGet, "http://"+host+"/v2/docker.io/library/node/manifests/22", token, "Accept", acceptAll)
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(readAll(t, res), "not a public one") {
		t.Fatalf("loopback upstream: %s", res.Status)
	}
}

func TestCheckAddress(t *testing.T) {
	for a, ok := range map[string]bool{
		"1.1.1.1:443": true, "[2606:4700::1]:443": true,
		"127.0.0.1:80": false, "10.0.0.1:80": false, "169.254.169.254:80": false, "192.168.1.1:80": false, "172.16.0.1:1": false,
		"[::1]:80": false, "[fe80::1]:80": false, "[fd00::1]:80": false, "[::ffff:127.0.0.1]:80": false, "0.0.0.0:80": false,
		"100.64.0.1:80": false, "[64:ff9b::7f00:1]:80": false, "224.0.0.1:80": false, "255.255.255.255:1": false,
	} {
		if err := checkAddress(a); (err == nil) != ok {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestSeed(t *testing.T) {
	h := newHub(t)
	h.push(t, "22")
	img := image(t)
	want, _ := img.Digest()
	dir := t.TempDir()
	docker := filepath.Join(dir, "docker.tar")
	if err := tarball.WriteToFile(docker, tag(t, "node:22"), img); err != nil {
		t.Fatal(err)
	}
	oci := filepath.Join(dir, "oci")
	p, err := layout.Write(oci, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.AppendImage(img); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "oci.tar")
	tarDir(t, oci, archive)

	r, host := open(t, h.upstream)
	for _, c := range []struct{ image, file, pull string }{
		{"node:22", docker, "docker.io/library/node:22"},
		{"docker.io/library/golang:1.26", oci, "docker.io/library/golang:1.26"},
		{"registry.slipway.internal/system/toolbox:latest", archive, "system/toolbox:latest"},
	} {
		for range 2 {
			if _, err := r.Seed(context.Background(), c.image, c.file); err != nil {
				t.Fatal(err)
			}
		}
		got, err := remote.Image(tag(t, host+"/"+c.pull), remote.WithAuth(as("reader")))
		if err != nil {
			t.Fatalf("%s: %v", c.pull, err)
		}
		a, _ := got.ConfigName()
		b, _ := img.ConfigName()
		if a != b {
			t.Errorf("%s: pulled config %s, seeded %s (image %s)", c.pull, a, b, want)
		}
	}
	if n := h.heads.Load(); n != 0 {
		t.Errorf("seeding and pulling what was seeded asked the upstream %d times", n)
	}
	bad := filepath.Join(dir, "bad.tar")
	if err := os.WriteFile(bad, []byte("not an archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{bad, filepath.Join(dir, "absent")} {
		if _, err := r.Seed(context.Background(), "x:1", f); err == nil {
			t.Errorf("%s was imported", f)
		}
	}
	if _, err := r.Seed(context.Background(), "../x", docker); err == nil {
		t.Error("a bad name was accepted")
	}
}

// TestSeedOfSeveral: of a file with several images the one of the name is taken, and none
// at random.
func TestSeedOfSeveral(t *testing.T) {
	several := filepath.Join(t.TempDir(), "several")
	p, err := layout.Write(several, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, full := range []string{"docker.io/library/node:22", "ghcr.io/acme/base:1"} {
		img := image(t)
		if err := p.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": full})); err != nil {
			t.Fatal(err)
		}
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		want[full] = digest.String()
	}
	archive := filepath.Join(t.TempDir(), "several.tar")
	tarDir(t, several, archive)
	r, _ := open(t, newHub(t).upstream)
	for _, file := range []string{several, archive} {
		for short, full := range map[string]string{"node:22": "docker.io/library/node:22", "ghcr.io/acme/base:1": "ghcr.io/acme/base:1"} {
			if got, err := r.Seed(t.Context(), short, file); err != nil || got != want[full] {
				t.Errorf("%s: %s %v, want %s", short, got, err, want[full])
			}
		}
		if _, err := r.Seed(t.Context(), "python:3", file); err == nil || !strings.Contains(err.Error(), "ghcr.io/acme/base:1") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
