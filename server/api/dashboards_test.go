package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/observability/dashboard"
	"slipway.dev/observability/dashboard/stored"
)

// exposed are metrics by namespace and application.
type exposed map[string][]dashboard.Metric

func (e exposed) Exposed(_ context.Context, namespace, application string) ([]dashboard.Metric, error) {
	m, ok := e[namespace+"/"+application]
	if !ok {
		return nil, errors.New("planted: prometheus is away")
	}
	return m, nil
}

// newBoards serves two namespaces: each has an application shop and a repository of that
// name with one good dashboard and one bad one.
func newBoards(t *testing.T) http.Handler {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := slipway.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	store, err := stored.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(scheme)
	for _, ns := range []string{"default", "other"} {
		b = b.WithObjects(&slipway.Application{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shop"}})
		if _, err := store.Put(stored.Owner{Namespace: ns, Repository: "shop"}, "c0ffee", []dashboard.File{
			{Path: "dashboards/sales.json", Data: fmt.Appendf(nil, `{"uid":"Sales_1","title":"Sales of %s","description":"what is sold","tags":["money"],"panels":[{"type":"text"}]}`, ns)},
			{Path: "dashboards/bad.json", Data: []byte("{\n  \"uid\": }")},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Put(stored.Owner{Namespace: "other", ConfigMap: "chart"}, "77", []dashboard.File{
		{Path: "configmap/chart", Key: "z.json", Data: []byte(`{"uid":"z","title":"Z","description":"-","tags":["-"],"panels":[{"type":"text"}]}`)},
		{Path: "configmap/chart", Key: "bad.json", Data: []byte("7")},
	}); err != nil {
		t.Fatal(err)
	}
	return Handler(Deps{
		Reader: b.Build(), Dashboards: store, Exposed: exposed{"default/shop": {{Name: "http_requests_total", Type: "counter"}}},
		Authorizer: roles{"ann": {"list repositories default", "list applications default", "get applications default"}, "adm": {"*"}, "app": {"list applications other"}},
		Tenants:    func(context.Context) ([]string, error) { return []string{"other", "default"}, nil },
	}, slog.New(slog.DiscardHandler))
}

func TestDashboardsAreListedToThoseWhoMaySeeThem(t *testing.T) {
	h := newBoards(t)
	kept := func(ns string) string { return "repository " + ns + " repo/Sales_1 Sales of " + ns }
	made := func(ns string) string { return "application " + ns + " app/shop Application / " + ns + " / shop" }
	const chart, badChart = "configmap other repo/z Z", "other/ configmap/chart:1:1: bad.json: a dashboard is an object, not a number"
	bad := func(ns string) string { return ns + "/shop dashboards/bad.json:2:10: invalid character '}'" }
	for _, tc := range []struct{ user, query, want, bad string }{
		{"ann", "", kept("default") + ", " + made("default"), bad("default")},
		{"adm", "", kept("default") + ", " + made("default") + ", " + kept("other") + ", " + chart + ", " + made("other"), bad("default") + ", " + badChart + ", " + bad("other")},
		{"adm", "?source=repository,configmap&namespace=other", kept("other") + ", " + chart, badChart + ", " + bad("other")},
		{"adm", "?source=configmap", chart, badChart},
		{"app", "", made("other"), ""},
		{"eve", "", "", ""},
		{"adm", "?source=repository", kept("default") + ", " + kept("other"), bad("default") + ", " + bad("other")},
		{"adm", "?source=application&namespace=other", made("other"), ""},
		{"ann", "?namespace=other", "", ""},
		{"adm", "?source=shipped", "", ""},
	} {
		t.Run(tc.user+tc.query, func(t *testing.T) {
			w := ask(h, "GET", "/api/v1/dashboards"+tc.query, tc.user, "")
			var answer struct {
				Items    []Dashboard
				Problems []DashboardProblem
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
				t.Fatalf("%d %s: %v", w.Code, w.Body, err)
			}
			var shipped int
			var got, problems []string
			for _, d := range answer.Items {
				if d.UID == "" || d.Description == "" || len(d.Tags) == 0 {
					t.Errorf("%+v", d)
				}
				if d.Source == SourceShipped {
					shipped++
					continue
				}
				if d.Source == SourceRepository && (d.Commit != "c0ffee" || d.File != "dashboards/sales.json" || d.Repository != "shop") || d.Source == SourceApplication && d.Application != "shop" {
					t.Errorf("%+v", d)
				}
				got = append(got, strings.Join([]string{d.Source, d.Namespace, d.Name, d.Title}, " "))
			}
			for _, p := range answer.Problems {
				problems = append(problems, p.Namespace+"/"+p.Repository+" "+strings.TrimSuffix(p.Error(), " looking for beginning of value"))
			}
			if strings.Join(got, ", ") != tc.want || strings.Join(problems, ", ") != tc.bad {
				t.Errorf("%q\nproblems %q", got, problems)
			}
			if want := strings.Contains(tc.query, "source=") && !strings.Contains(tc.query, "shipped"); want != (shipped == 0) {
				t.Errorf("%d that ship", shipped)
			}
		})
	}
	if w := ask(h, "GET", "/api/v1/dashboards?source=mine", "ann", ""); w.Code != http.StatusBadRequest {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestDashboardIsGot(t *testing.T) {
	h := newBoards(t)
	for _, tc := range []struct {
		user, path string
		code       int
		want       string
	}{
		{"eve", "/api/v1/dashboards/cluster", http.StatusOK, `"uid":"slipway-cluster"`},
		{"eve", "/api/v1/dashboards/none", http.StatusNotFound, "slipway dashboard list"},
		{"ann", "/api/v1/namespaces/default/dashboards/Sales_1", http.StatusOK, `"title":"Sales of default"`},
		{"ann", "/api/v1/namespaces/other/dashboards/Sales_1", http.StatusForbidden, "may not"},
		{"ann", "/api/v1/namespaces/default/dashboards/none", http.StatusNotFound, "no repository and no ConfigMap of namespace default keeps it"},
		{"ann", "/api/v1/namespaces/default/dashboards/..%2Fx", http.StatusBadRequest, "want at most 40 letters"},
		{"ann", "/api/v1/namespaces/default/applications/shop/dashboard", http.StatusOK, "Requests: http_requests_total"},
		{"ann", "/api/v1/namespaces/default/applications/none/dashboard", http.StatusNotFound, "not found"},
		{"ann", "/api/v1/namespaces/other/applications/shop/dashboard", http.StatusForbidden, "may not"},
		{"adm", "/api/v1/namespaces/other/applications/shop/dashboard", http.StatusInternalServerError, "internal error"},
	} {
		if w := ask(h, "GET", tc.path, tc.user, ""); w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) || strings.Contains(w.Body.String(), "planted") {
			t.Errorf("%s as %s: %d %.300s", tc.path, tc.user, w.Code, w.Body)
		}
	}
	w := ask(h, "GET", "/api/v1/namespaces/default/applications/shop/dashboard", "ann", "")
	var got struct{ UID string }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.UID != dashboard.UID(dashboard.NameOfApplication("default", "shop").Name) {
		t.Errorf("uid %q is not the one that is listed: %v", got.UID, err)
	}
}
