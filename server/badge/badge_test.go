package badge

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/server/api"
)

type onlyAnn struct{}

func (onlyAnn) Allowed(_ context.Context, u api.User, verb, resource, namespace, _ string) (bool, error) {
	return u.Name == "ann" && verb == "get" && resource == "repositories" && namespace == "default", nil
}

func run(repo, name, ref string, sequence int64, phase slipway.Phase, coverage string) *slipway.Run {
	return &slipway.Run{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{slipway.LabelRepository: repo}},
		Spec:       slipway.RunSpec{Repository: repo, Ref: ref, Sequence: sequence},
		Status:     slipway.RunStatus{Phase: phase, Coverage: coverage},
	}
}

func newHandler(t *testing.T) *Handler {
	t.Helper()
	s := runtime.NewScheme()
	if err := slipway.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	child := run("open", "open-9", "refs/heads/main", 9, slipway.Failed, "")
	child.Spec.Parent = &slipway.RunParent{Run: "open-3"}
	merge := run("open", "open-8", "refs/heads/main", 8, slipway.Failed, "")
	merge.Spec.Target = "refs/heads/next"
	c := fake.NewClientBuilder().WithScheme(s).WithObjects(
		&slipway.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "open"}, Spec: slipway.RepositorySpec{PublicBadge: true}, Status: slipway.RepositoryStatus{DefaultBranch: "main"}},
		&slipway.Repository{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "closed"}, Spec: slipway.RepositorySpec{DefaultBranch: "main"}},
		run("open", "open-1", "refs/heads/main", 1, slipway.Failed, "12.00"), run("open", "open-2", "refs/heads/main", 2, slipway.Succeeded, "81.50"),
		run("open", "open-3", "refs/heads/main", 3, slipway.Succeeded, ""), run("open", "open-4", "refs/heads/fix", 4, slipway.Failed, "x"), child, merge,
		run("closed", "closed-1", "refs/heads/main", 1, slipway.Running, ""),
	).Build()
	return &Handler{Reader: c, Authorizer: onlyAnn{}, Log: slog.New(slog.DiscardHandler)}
}

func ask(h http.Handler, target, user string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if user != "" {
		r = r.WithContext(api.WithUser(r.Context(), api.User{Name: user}))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWhatABadgeSays(t *testing.T) {
	h := newHandler(t)
	for target, want := range map[string]string{
		"/badge/default/open.svg":                          "pipeline: passed",
		"/badge/default/open.svg?branch=fix":               "pipeline: failed",
		"/badge/default/open.svg?branch=none":              "pipeline: unknown",
		"/badge/default/open.svg?show=coverage":            "coverage: 81.5%",
		"/badge/default/open.svg?show=coverage&branch=fix": "coverage: unknown",
		"/badge/default/open.svg?label=build":              "build: passed",
	} {
		w := ask(h, target, "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<title>"+want+"</title>") || w.Header().Get("Content-Type") != "image/svg+xml; charset=utf-8" {
			t.Errorf("%s: %d %s, want %s", target, w.Code, w.Body, want)
		}
	}
}

// A repository that is not public cannot be told from none.
func TestWhoSeesABadge(t *testing.T) {
	h := newHandler(t)
	none := ask(h, "/badge/default/none.svg", "")
	for _, user := range []string{"", "eve"} {
		w := ask(h, "/badge/default/closed.svg", user)
		if w.Code != http.StatusNotFound || w.Body.String() != none.Body.String() || len(w.Header()) != len(none.Header()) {
			t.Errorf("%q: %d %s %v, and for none %s %v", user, w.Code, w.Body, w.Header(), none.Body, none.Header())
		}
	}
	w := ask(h, "/badge/default/closed.svg", "ann")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "running") || !strings.Contains(w.Header().Get("Cache-Control"), "private") {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	for _, target := range []string{"/badge/", "/badge/default", "/badge/default/open", "/badge/De/open.svg", "/badge/default/..svg", "/badge/other/open.svg", "/badge/default/a%2fopen.svg"} {
		if w := ask(h, target, "ann"); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w := ask(h, "/badge/default/open.svg?show=secrets", ""); w.Code != http.StatusBadRequest {
		t.Errorf("show=secrets: %d", w.Code)
	}
}

func TestUnchangedBadge(t *testing.T) {
	h := newHandler(t)
	w := ask(h, "/badge/default/open.svg", "")
	tag := w.Header().Get("ETag")
	if tag == "" || w.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("%v", w.Header())
	}
	if w = ask(h, "/badge/default/open.svg", "", "If-None-Match", "W/"+tag); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w = ask(h, "/badge/default/open.svg?branch=fix", "", "If-None-Match", tag); w.Code != http.StatusOK {
		t.Errorf("another badge: %d", w.Code)
	}
}

// Whatever the label, the picture is well-formed and holds it as text only.
func FuzzLabel(f *testing.F) {
	for _, s := range []string{`"><script>alert(1)</script>`, "a&b", "\x00\xff", "管道", "]]>", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, label string) {
		d := xml.NewDecoder(strings.NewReader(string(svg(label, "passed", green))))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatalf("%q: %v", label, err)
			}
			if e, ok := token.(xml.StartElement); ok && !strings.Contains(" svg title linearGradient stop clipPath rect g text ", " "+e.Name.Local+" ") {
				t.Fatalf("%q makes an element %s", label, e.Name.Local)
			}
		}
	})
}

func TestHostileLabel(t *testing.T) {
	w := ask(newHandler(t), "/badge/default/open.svg?label="+url.QueryEscape(`"><script>`), "")
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "<script") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
