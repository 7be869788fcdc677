package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway.dev/observability/grafana"
)

type oneGrafana struct {
	err    error
	edited bool
}

func (g *oneGrafana) Status() grafana.Status { return grafana.Status{URL: "https://grafana.example"} }

func (g *oneGrafana) Sync(context.Context) error { return g.err }

func (g *oneGrafana) Remove(_ context.Context, edited bool) ([]string, error) {
	g.edited = edited
	return []string{"Mine"}, g.err
}

type everybody struct{}

func (everybody) Allowed(context.Context, User, string, string, string, string) (bool, error) {
	return true, nil
}

func TestGrafana(t *testing.T) {
	g := &oneGrafana{}
	ask := func(d Deps, method, path string) (int, string) {
		d.Authorizer = everybody{}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, nil)
		Handler(d, slog.New(slog.DiscardHandler)).ServeHTTP(w, r.WithContext(WithUser(r.Context(), User{Name: "ann"})))
		return w.Code, w.Body.String()
	}
	expect := func(d Deps, method, path string, code int, part string) {
		t.Helper()
		if got, body := ask(d, method, path); got != code || !strings.Contains(body, part) {
			t.Errorf("%s %s: %d %s", method, path, got, body)
		}
	}
	expect(Deps{}, "GET", "/api/v1/grafana", http.StatusNotFound, "--grafana-url")
	expect(Deps{Grafana: g}, "GET", "/api/v1/grafana", http.StatusOK, "https://grafana.example")
	expect(Deps{Grafana: g}, "POST", "/api/v1/grafana/sync", http.StatusOK, "https://grafana.example")
	expect(Deps{Grafana: g}, "DELETE", "/api/v1/grafana?edited=true", http.StatusOK, `{"left":["Mine"]}`)
	// Where the page that draws dashboards links to, and how often there is a sample.
	expect(Deps{}, "GET", "/api/v1/dashboards?source=shipped", http.StatusOK, `"uid":"slipway-cluster"`)
	expect(Deps{Grafana: g, ScrapeInterval: 30 * time.Second}, "GET", "/api/v1/dashboards?source=shipped", http.StatusOK, `"scrapeSeconds":30,"grafana":"https://grafana.example"}`)
	if _, body := ask(Deps{}, "GET", "/api/v1/dashboards?source=shipped"); strings.Contains(body, `"grafana":`) {
		t.Errorf("a Grafana that there is not: %s", body)
	}
	if !g.edited {
		t.Error("edited ones were not asked for")
	}
	g.err = errors.New("grafana at https://grafana.example: away")
	expect(Deps{Grafana: g}, "POST", "/api/v1/grafana/sync", http.StatusBadGateway, "away")
}
