package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/disk"
)

// roles allows what each user's role lists, as "verb resource namespace".
type roles map[string][]string

func (r roles) Allowed(_ context.Context, u User, verb, resource, namespace, _ string) (bool, error) {
	for _, rule := range r[u.Name] {
		if rule == "*" || rule == strings.Join([]string{verb, resource, namespace}, " ") {
			return true, nil
		}
	}
	return false, nil
}

// deaf fails every action, so that a request that gets through is seen to.
type deaf struct{ Runs }

var errReached = errors.New("reached")

func (deaf) Start(context.Context, string, StartRun, string) (*slipway.Run, error) {
	return nil, errReached
}
func (deaf) Form(context.Context, string, string, string) (any, error) { return nil, errReached }
func (deaf) Get(context.Context, string, string) (*slipway.Run, error) { return nil, errReached }
func (deaf) List(context.Context, string, string, string, int) ([]slipway.Run, string, error) {
	return []slipway.Run{{}}, "further", nil
}
func (deaf) Delete(context.Context, string, string) error         { return errReached }
func (deaf) Cancel(context.Context, string, string, string) error { return errReached }
func (deaf) Rerun(context.Context, string, string, string) (*slipway.Run, error) {
	return nil, errReached
}
func (deaf) Act(context.Context, string, string, ...slipway.RunAction) error { return errReached }
func (deaf) Log(context.Context, string, string, string, int, bool) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("line\n")), nil
}

// page is a repository with one file, which is a web page.
type page struct{ Browser }

func (page) Raw(_ context.Context, _, _, _, path string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("<script>alert(1)</script>")), nil
}
func (page) File(_ context.Context, _, _, revision, path string) (any, error) {
	return map[string]string{"text": "<script>alert(1)</script>", "at": revision + ":" + path}, nil
}

func newHandler(t *testing.T, r roles) http.Handler {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := slipway.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).Build()
	return Handler(Deps{Reader: c, Writer: c, Authorizer: r, Runs: deaf{}, Browser: page{}, Tenants: func(context.Context) ([]string, error) { return []string{"default", "other"}, nil }}, slog.New(slog.DiscardHandler))
}

func ask(h http.Handler, method, path, user, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if user != "" {
		r = r.WithContext(WithUser(r.Context(), User{Name: user}))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var fill = strings.NewReplacer("{ns}", "default", "{name}", "x", "{job}", "j", "{variable}", "V", "{number}", "1", "{commit}", "c")

// TestEveryRouteAuthorises asks each route as nobody and as a user without rights.
func TestEveryRouteAuthorises(t *testing.T) {
	h := newHandler(t, roles{})
	for _, route := range Routes() {
		path := fill.Replace(route.Path)
		if w := ask(h, route.Method, path, "", "{}"); w.Code != http.StatusUnauthorized {
			t.Errorf("%s %s as nobody: %d", route.Method, path, w.Code)
		}
		if route.Verb == "" {
			continue
		}
		if w := ask(h, route.Method, path, "eve", "{}"); w.Code != http.StatusForbidden {
			t.Errorf("%s %s without rights: %d", route.Method, path, w.Code)
		}
	}
}

func TestRightsAreOfOneNamespace(t *testing.T) {
	h := newHandler(t, roles{"ann": {"list runs default"}})
	for path, want := range map[string]int{
		"/api/v1/namespaces/default/runs": http.StatusOK, "/api/v1/namespaces/other/runs": http.StatusForbidden,
		"/api/v1/namespaces/default/applications": http.StatusForbidden,
		"/api/v1/namespaces/De%2Ffault/runs":      http.StatusBadRequest,
	} {
		if w := ask(h, "GET", path, "ann", ""); w.Code != want {
			t.Errorf("GET %s: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}

func TestNamespacesAreThoseThatTheUserMaySee(t *testing.T) {
	h := newHandler(t, roles{"ann": {"list repositories default"}})
	if w := ask(h, "GET", "/api/v1/namespaces", "ann", ""); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"items":["default"]}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(h, "GET", "/api/v1/namespaces", "eve", ""); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"items":[]}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestBadInputIsRefusedAndNamed(t *testing.T) {
	h := newHandler(t, roles{"ann": {"*"}})
	for name, tc := range map[string]struct{ method, path, body, want string }{
		"unknown field": {"POST", "/api/v1/namespaces/default/runs", `{"repo":"x"}`, "repo"},
		"not JSON":      {"POST", "/api/v1/namespaces/default/runs", `{`, "request body"},
		"bad name":      {"GET", "/api/v1/namespaces/default/runs/..%2f..", "", "not a name"},
		"bad release":   {"POST", "/api/v1/namespaces/default/applications/x/rollback", `{"release":-1}`, "at least 1"},
		"bad attempt":   {"GET", "/api/v1/namespaces/default/runs/x/jobs/j/log?attempt=-1", "", "attempt"},
		"bad cascade":   {"DELETE", "/api/v1/namespaces/default/applications/x?cascade=maybe", "", "cascade"},
		"bad prune":     {"GET", "/api/v1/namespaces/default/applications/x/preview?prune=maybe", "", "prune"},
		"bad sync":      {"POST", "/api/v1/namespaces/default/applications/x/sync", `{"all":true}`, "all"},
		"bad time":      {"GET", "/api/v1/namespaces/default/logs?start=yesterday", "", "not a time"},
		"bad skip":      {"GET", "/api/v1/namespaces/default/repositories/x/commits?skip=-1", "", "skip"},
		"bad page":      {"GET", "/api/v1/namespaces/default/repositories/x/commits?limit=many", "", "limit"},
		"raw of what":   {"GET", "/api/v1/namespaces/default/repositories/x/raw", "", "path"},
		"all, and more": {"GET", "/api/v1/namespaces/default/logs?limit=all&follow=1", "", "without follow"},
		"bad limit":     {"GET", "/api/v1/namespaces/default/logs?limit=0", "", "limit"},
		"other tenant":  {"POST", "/api/v1/namespaces/default/applications", `{"metadata":{"name":"x","namespace":"kube-system"}}`, "not that of the path"},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(h, tc.method, tc.path, "ann", tc.body)
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), tc.want) {
				t.Errorf("%d %s, want %q", w.Code, w.Body, tc.want)
			}
		})
	}
}

func TestErrorsTellOnlyWhatIsForTheUser(t *testing.T) {
	for want, err := range map[int]error{
		http.StatusInternalServerError: errors.New("planted detail"),
		http.StatusNotFound:            apierrors.NewNotFound(schema.GroupResource{Resource: "runs"}, "x"),
	} {
		w := httptest.NewRecorder()
		WriteError(w, slog.New(slog.DiscardHandler), err)
		if w.Code != want || strings.Contains(w.Body.String(), "planted") {
			t.Errorf("%d %s, want %d", w.Code, w.Body, want)
		}
	}
}

func TestUserFilesAreAttachments(t *testing.T) {
	h := newHandler(t, roles{"ann": {"*"}})
	raw := ask(h, "GET", "/api/v1/namespaces/default/repositories/x/raw?ref=main&path=a/x.html", "ann", "").Header()
	if raw.Get("Content-Type") != "application/octet-stream" || raw.Get("Content-Disposition") != `attachment; filename="x.html"` || raw.Get("Content-Security-Policy") != "sandbox" {
		t.Errorf("raw: %v", raw)
	}
	file := ask(h, "GET", "/api/v1/namespaces/default/repositories/x/file?ref=a/b&path=x.html", "ann", "")
	if file.Header().Get("Content-Type") != "application/json" || strings.Contains(file.Body.String(), "<script>") || !strings.Contains(file.Body.String(), "a/b:x.html") {
		t.Errorf("file: %v %s", file.Header(), file.Body)
	}
	w := ask(h, "GET", "/api/v1/namespaces/default/runs/x/jobs/j/log", "ann", "")
	if w.Body.String() != "line\n" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("log: %v %s", w.Header(), w.Body)
	}
}

// seeder says what comes to it.
type seeder struct{ got []byte }

func (s *seeder) Seed(_ context.Context, _, file string) (digest string, err error) {
	s.got, err = os.ReadFile(file)
	return "sha256:x", err
}

// TestImagesNeedRoom: what comes in lies below the data directory while it is looked at,
// and nowhere when it was refused.
func TestImagesNeedRoom(t *testing.T) {
	images, dir := &seeder{}, t.TempDir()
	var full error
	h := Handler(Deps{Authorizer: roles{"ann": {"*"}}, Images: images, Uploads: dir, Room: func() error { return full }}, slog.New(slog.DiscardHandler))
	if w := ask(h, "POST", "/api/v1/images?name=a:b", "ann", "an archive"); w.Code != http.StatusCreated || string(images.got) != "an archive" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	full, images.got = disk.Full{Free: 1, Reserve: 2 << 20}, nil
	if w := ask(h, "POST", "/api/v1/images?name=a:b", "ann", "an archive"); w.Code != http.StatusInsufficientStorage || !strings.Contains(w.Body.String(), "image a:b: the server's disk is nearly full") || images.got != nil {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left of uploads: %v %v", left, err)
	}
}
