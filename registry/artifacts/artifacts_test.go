package artifacts_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"slipway.dev/registry/artifacts"
	"slipway.dev/registry/artifacts/artifactstest"
	"slipway.dev/registry/embedded"
)

// nobody may do anything: the store must get by with the transport alone.
type nobody struct{}

func (nobody) Authenticate(context.Context, string, string) (embedded.User, error) {
	return embedded.User{}, embedded.ErrUnauthenticated
}

func (nobody) Allowed(context.Context, embedded.User, string, string, string, string) (bool, error) {
	return false, nil
}

func TestRegistryConforms(t *testing.T) {
	r, err := embedded.New(embedded.Options{Dir: t.TempDir(), Authenticator: nobody{}, Authorizer: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if artifacts.Prefix != embedded.ArtifactPrefix {
		t.Fatalf("prefixes differ: %q, %q", artifacts.Prefix, embedded.ArtifactPrefix)
	}
	artifactstest.Conform(t, artifacts.New(r.Transport()))
}

// requests counts what goes to a registry.
type requests struct {
	http.RoundTripper
	n atomic.Int64
}

func (r *requests) RoundTrip(req *http.Request) (*http.Response, error) {
	r.n.Add(1)
	return r.RoundTripper.RoundTrip(req)
}

func TestRequestsOfAPut(t *testing.T) {
	dir := t.TempDir()
	r, err := embedded.New(embedded.Options{Dir: dir, Authenticator: nobody{}, Authorizer: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	counted := &requests{RoundTripper: r.Transport()}
	s := artifacts.New(counted)
	put := func(repo, content string, want int64) {
		t.Helper()
		before := counted.n.Load()
		if _, _, err := s.Put(t.Context(), repo, "t", "application/test", strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		if n := counted.n.Load() - before; n != want {
			t.Errorf("%d requests, want %d", n, want)
		}
		rc, err := s.Get(t.Context(), repo, "t")
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		if got, err := io.ReadAll(rc); err != nil || string(got) != content {
			t.Errorf("%q, %v", got, err)
		}
	}
	put("default/a", "one", 5) // content and configuration in two requests each
	put("default/a", "two", 3)
	put("default/b", "one", 4) // the configuration is mounted
	put("default/b", strings.Repeat("x", 1<<20), 4)
	repositories := filepath.Join(dir, "docker", "registry", "v2", "repositories", artifacts.Prefix, "default")
	if err := os.RemoveAll(filepath.Join(repositories, "a")); err != nil {
		t.Fatal(err)
	}
	put("default/c", "one", 5) // there is nothing to mount
	if err := os.RemoveAll(filepath.Join(repositories, "c")); err != nil {
		t.Fatal(err)
	}
	put("default/c", "two", 5) // two, a refused manifest, a mount, the manifest
	uploads, err := filepath.Glob(filepath.Join(repositories, "*", "_uploads", "*"))
	if err != nil || len(uploads) > 0 {
		t.Errorf("uploads that stay behind: %v, %v", uploads, err)
	}
}
