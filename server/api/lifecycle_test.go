package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// TestApplicationsThatCouldNeverBeReleased are refused when they are made, and why.
func TestApplicationsThatCouldNeverBeReleased(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := slipway.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	app := func(name string, needs ...string) *slipway.Application {
		return &slipway.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: slipway.ApplicationSpec{Lifecycle: slipway.Lifecycle{Needs: needs}}}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app("b", "c"), app("c", "a")).Build()
	h := Handler(Deps{Reader: c, Writer: c, Authorizer: roles{"ann": {"*"}}}, slog.New(slog.DiscardHandler))
	for _, tc := range []struct {
		name, spec string
		code       int
		want       string
	}{
		{"cycle", `{"needs":["b"]}`, http.StatusBadRequest, "needs form a cycle: a -\\u003e b -\\u003e c -\\u003e a"},
		{"itself", `{"needs":["a"]}`, http.StatusBadRequest, "needs form a cycle: a -\\u003e a"},
		{"window", `{"windows":[{"kind":"allow","schedule":"@daily","duration":"1h"}]}`, http.StatusBadRequest, "want five fields"},
		{"promoted and pushed", `{"sync":"push","promotion":{"from":"b"}}`, http.StatusBadRequest, "set spec.sync to manual"},
		{"needs what is not there yet", `{"needs":["later"]}`, http.StatusCreated, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := ask(h, "POST", "/api/v1/namespaces/default/applications", "ann", `{"metadata":{"name":"a"},"spec":`+tc.spec+`}`)
			if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
				t.Errorf("%d %s, want %d %q", w.Code, w.Body, tc.code, tc.want)
			}
		})
	}
}

func TestBadNumbersOfReleases(t *testing.T) {
	h := newHandler(t, roles{"ann": {"*"}})
	for _, path := range []string{"/releases/0/diff", "/releases/x/diff", "/releases/2/diff?against=-1"} {
		if w := ask(h, "GET", "/api/v1/namespaces/default/applications/a"+path, "ann", ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := ask(h, "POST", "/api/v1/namespaces/default/applications/a/promote", "ann", "{}"); w.Code != http.StatusBadRequest {
		t.Errorf("promote to nothing: %d %s", w.Code, w.Body)
	}
}

// TestForksAreLetInByThoseWhoMayApprove only.
func TestForksAreLetInByThoseWhoMayApprove(t *testing.T) {
	const body = `{"metadata":{"name":"prs"},"spec":{"repository":"shop","generators":[{"mergeRequests":{"forks":"FORKS"}}],` +
		`"template":{"name":"pr-{{NAME}}","spec":{},"preview":{}}}}`
	h := newHandler(t, roles{"ann": {"create applicationsets default"}, "bob": {"create applicationsets default", "approve applicationsets default"}})
	for _, tc := range []struct {
		user, forks, name string
		want              int
	}{
		{"ann", "approved", "number", http.StatusForbidden},
		{"ann", "always", "number", http.StatusForbidden},
		{"ann", "never", "nummer", http.StatusBadRequest},
		{"ann", "never", "number", http.StatusCreated},
		{"bob", "approved", "number", http.StatusConflict}, // it is there already
	} {
		text := strings.NewReplacer("FORKS", tc.forks, "NAME", tc.name).Replace(body)
		if w := ask(h, "POST", "/api/v1/namespaces/default/applicationsets", tc.user, text); w.Code != tc.want {
			t.Errorf("%+v: %d %s", tc, w.Code, w.Body)
		}
	}
	for body, want := range map[string]int{`{"number":1}`: http.StatusBadRequest, `{"number":1,"commit":"c"}`: http.StatusForbidden} {
		user := "bob"
		if want == http.StatusForbidden {
			user = "ann"
		}
		if w := ask(h, "POST", "/api/v1/namespaces/default/applicationsets/prs/approve", user, body); w.Code != want {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

func TestWhatAsksForApprovalsIsDeletedByApprovers(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := slipway.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(&slipway.Application{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "prod"},
		Spec:       slipway.ApplicationSpec{Lifecycle: slipway.Lifecycle{Promotion: &slipway.PromotionPolicy{From: "staging", Approvals: 1}}},
	}).Build()
	h := Handler(Deps{Reader: c, Writer: c, Applications: deleter{c: c}, Authorizer: roles{"ann": {"delete applications default"}, "bob": {"delete applications default", "approve promotions default"}}}, slog.New(slog.DiscardHandler))
	for _, tc := range []struct {
		user string
		want int
	}{{"ann", http.StatusForbidden}, {"bob", http.StatusNoContent}, {"bob", http.StatusNotFound}} {
		if w := ask(h, "DELETE", "/api/v1/namespaces/default/applications/prod", tc.user, ""); w.Code != tc.want {
			t.Errorf("%+v: %d %s", tc, w.Code, w.Body)
		}
	}
}

// deleter only deletes applications.
type deleter struct {
	Applications
	c client.Client
}

func (d deleter) Delete(ctx context.Context, namespace, application, _ string, _ *bool) error {
	app := &slipway.Application{}
	if err := d.c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: application}, app); err != nil {
		return err
	}
	return d.c.Delete(ctx, app)
}
