package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// left is what a job kept, for those that it says.
type left struct {
	Kept
	access string
}

func (l left) ArtifactAccess(context.Context, string, string, string) (string, error) {
	return l.access, nil
}
func (left) Artifacts(context.Context, string, string, string) (io.ReadCloser, string, error) {
	return io.NopCloser(strings.NewReader("zip")), "a.zip", nil
}
func (left) ArtifactIndex(context.Context, string, string, string) (any, error) { return "index", nil }
func (left) ArtifactFile(context.Context, string, string, string, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("file")), nil
}
func (left) Report(context.Context, string, string, string, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("report")), nil
}

// TestArtifactsAreForThoseThatTheJobSays: whoever reads the run reads those for all.
func TestArtifactsAreForThoseThatTheJobSays(t *testing.T) {
	r := roles{
		"viewer":     {"get runs default"},
		"developer":  {"get runs default", "get developerartifacts default"},
		"maintainer": {"get runs default", "get developerartifacts default", "get maintainerartifacts default"},
		"elsewhere":  {"get runs default", "get developerartifacts other", "get maintainerartifacts other"},
	}
	may := map[string]string{"": "viewer developer maintainer elsewhere", "all": "viewer developer maintainer elsewhere",
		"developer": "developer maintainer", "maintainer": "maintainer", "none": ""}
	for access, who := range may {
		h := Handler(Deps{Authorizer: r, Kept: left{access: access}}, slog.New(slog.DiscardHandler))
		for user := range r {
			for _, path := range []string{"artifacts", "artifacts/index", "artifacts/file?path=a", "reports/sast"} {
				want := http.StatusForbidden
				if strings.Contains(" "+who+" ", " "+user+" ") {
					want = http.StatusOK
				}
				w := ask(h, "GET", "/api/v1/namespaces/default/runs/x/jobs/j/"+path, user, "")
				if w.Code != want || want == http.StatusForbidden && !strings.Contains(w.Body.String(), "the artifacts of job j are for") {
					t.Errorf("%s of a job with access %q as %s: %d %s, want %d", path, access, user, w.Code, w.Body, want)
				}
			}
		}
	}
}
