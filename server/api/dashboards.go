package api

import (
	"net/http"

	"slipway.dev/observability/dashboard"
)

func dashboardRoutes() []Route {
	return []Route{
		{"GET", "/api/v1/dashboards", "", "", "the dashboards that ship", (*server).dashboards},
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
