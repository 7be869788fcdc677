package api

import (
	"context"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/observability/dashboard"
)

func dashboardRoutes(ns string) []Route {
	return []Route{
		{"GET", "/api/v1/dashboards", "", "", "the dashboards that ship", (*server).dashboards},
		{"GET", ns + "/applications/{name}/dashboard", "get", "applications", "a dashboard in Grafana's JSON made from what the application exposes", (*server).applicationDashboard},
		{"GET", "/api/v1/dashboards/{name}", "", "", "a dashboard in Grafana's JSON", (*server).dashboard},
	}
}

func (s *server) dashboards(w http.ResponseWriter, _ *http.Request) error {
	all, err := dashboard.All()
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": all})
	return nil
}

func (s *server) dashboard(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	d, ok := dashboard.Get(name)
	if !ok {
		return refuse(http.StatusNotFound, "`slipway dashboard list` has the names", "dashboard %s: not found", name)
	}
	writeJSON(w, http.StatusOK, d.JSON)
	return nil
}

// Exposed says which metrics an application's pods have.
type Exposed interface {
	Exposed(ctx context.Context, namespace, application string) ([]dashboard.Metric, error)
}

func (s *server) applicationDashboard(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	ns := r.PathValue("ns")
	if err := s.Reader.Get(r.Context(), client.ObjectKey{Namespace: ns, Name: name}, &slipway.Application{}); err != nil {
		return err
	}
	exposed, err := s.Exposed.Exposed(r.Context(), ns, name)
	if err != nil {
		return err
	}
	d, err := dashboard.OfApplication(ns, name, exposed)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, d.JSON)
	return nil
}
