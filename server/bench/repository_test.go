package bench

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/git"
	"slipway.dev/gitops/git/large"
	"slipway.dev/server/client"
)

// TestRepository goes through what the benchmark does with a large repository, against
// the handler alone: a small one here, and the real one with SLIPWAY_SOAK.
func TestRepository(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := slipway.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	host := &git.Host{
		Store: &git.Store{Dir: t.TempDir()}, Log: slog.New(slog.DiscardHandler),
		Client: fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&slipway.Repository{}).Build(),
		Authenticate: func(r *http.Request) (user.Info, bool) {
			return &user.DefaultInfo{Name: "bench"}, r.Header.Get("Authorization") == "Bearer planted"
		},
		Authorize: func(context.Context, user.Info, string, string, string) (bool, error) { return true, nil },
	}
	s := httptest.NewServer(host.Handler())
	defer s.Close()
	dir := filepath.Join(t.TempDir(), "1")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("planted\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SLIPWAY_TOKEN", "")
	in := &instance{dir: dir, client: &client.Client{Server: s.URL, TokenFile: token}}
	shape, recent, what := large.Shape{Commits: 60, Files: 10, Bytes: 2000}, 5, "few commits"
	if os.Getenv("SLIPWAY_SOAK") != "" {
		shape, recent, what = large.Bench, 500, "10,000 commits and 100 MB"
	}
	b := &bench{Options: Options{Out: t.Output()}, report: newReport()}
	if err := b.repository(t.Context(), in, shape, recent, what); err != nil {
		t.Fatal(err)
	}
	if n := len(b.report.Figures); n != 9 {
		t.Fatalf("%d figures", n)
	}
	b.report.print(t.Output())
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "large-*")); len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
}
