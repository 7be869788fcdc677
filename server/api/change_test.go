package api

import (
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

// TestApplicationsAreChanged in the fields that are sent, by those who may, and not into what
// could never be released.
func TestApplicationsAreChanged(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := slipway.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	app := func(name string, change func(*slipway.ApplicationSpec)) *slipway.Application {
		a := &slipway.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
		a.Spec = slipway.ApplicationSpec{Source: slipway.Source{Repository: "shop", Path: "deploy"}, Sync: "push", ServiceAccount: "mine"}
		change(&a.Spec)
		return a
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		app("shop", func(*slipway.ApplicationSpec) {}),
		app("needing", func(s *slipway.ApplicationSpec) { s.Needs = []string{"shop"} }),
		app("prod", func(s *slipway.ApplicationSpec) {
			s.Sync, s.Promotion = "manual", &slipway.PromotionPolicy{From: "shop", Approvals: 1}
		}),
	).Build()
	may := []string{"update applications default"}
	h := Handler(Deps{Reader: c, Writer: c, Authorizer: roles{"ann": may, "bob": append(may, "approve promotions default")}}, slog.New(slog.DiscardHandler))
	for _, tc := range []struct {
		user, name, spec string
		code             int
		want             string
	}{
		{"ann", "shop", `{"sync":"manual","syncOptions":{"adopt":true},"serviceAccount":null}`, http.StatusOK, `"adopt":true`},
		{"ann", "shop", `{"wndows":[]}`, http.StatusBadRequest, `unknown field \"wndows\"`},
		{"ann", "shop", `{}`, http.StatusBadRequest, "nothing to change"},
		{"ann", "shop", `{"pin":3}`, http.StatusBadRequest, "use `slipway app rollback`"},
		{"ann", "shop", `{"desired":{"commit":"x"}}`, http.StatusBadRequest, "use `slipway app sync`"},
		{"ann", "shop", `{"needs":["needing"]}`, http.StatusBadRequest, "needing"},
		{"ann", "shop", `{"healthChecks":[{"kind":"Database","healthy":"status.("}]}`, http.StatusBadRequest, "healthChecks[0]"},
		{"ann", "shop", `{"windows":[{"kind":"deny","schedule":"never","duration":"1h"}]}`, http.StatusBadRequest, "window 1"},
		{"ann", "shop", `{"source":{"semver":"newest"}}`, http.StatusBadRequest, "is no range of versions; write one such as 1.x"},
		{"ann", "shop", `{"source":{"semver":"1.x","tag":"v1"}}`, http.StatusBadRequest, "give one of branch, tag, semver and commit"},
		{"ann", "shop", `{"source":{"commit":"HEAD"}}`, http.StatusBadRequest, "want the 40 hexadecimal digits"},
		{"ann", "shop", `{"source":{"tag":"v1"},"writeBack":{"images":true}}`, http.StatusBadRequest, "name the branch in spec.writeBack.branch"},
		{"ann", "shop", `{"source":{"semver":"\u003e=1.2.0 \u003c2"}}`, http.StatusOK, `"semver"`},
		{"ann", "shop", `{"source":{"semver":null,"commit":"0123abc"}}`, http.StatusOK, `"commit":"0123abc"`},
		{"ann", "prod", `{"source":{"tag":"v1"}}`, http.StatusBadRequest, "leave one of them out"},
		{"ann", "nobody", `{"sync":"manual"}`, http.StatusNotFound, "nobody"},
		{"ann", "prod", `{"sync":"push"}`, http.StatusBadRequest, "set spec.sync to manual"},
		{"ann", "prod", `{"promotion":null}`, http.StatusForbidden, "ann may not change the promotion"},
		{"ann", "prod", `{"source":{"path":"other"}}`, http.StatusForbidden, "ask somebody who may approve"},
		{"ann", "prod", `{"healthDeadline":"10m"}`, http.StatusOK, `"healthDeadline":"10m0s"`},
		{"bob", "prod", `{"promotion":null}`, http.StatusOK, `"name":"prod"`},
		{"eve", "shop", `{"sync":"push"}`, http.StatusForbidden, "eve may not update"},
	} {
		w := ask(h, "PATCH", "/api/v1/namespaces/default/applications/"+tc.name, tc.user, `{"spec":`+tc.spec+`}`)
		if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s %s %s: %d %s, want %d %q", tc.user, tc.name, tc.spec, w.Code, w.Body, tc.code, tc.want)
		}
	}
	var shop slipway.Application
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "shop"}, &shop); err != nil {
		t.Fatal(err)
	}
	if s := shop.Spec; s.Sync != "manual" || !s.SyncOptions.Adopt || s.ServiceAccount != "" || s.Source.Path != "deploy" || s.Needs != nil || s.Pin != 0 {
		t.Errorf("%+v", s)
	}
}
