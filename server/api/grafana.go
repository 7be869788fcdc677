package api

import (
	"context"
	"net/http"

	"slipway.dev/observability/grafana"
)

// Grafana is one in which dashboards and data sources are kept.
type Grafana interface {
	Status() grafana.Status
	// Sync puts everything right now, after Remove too.
	Sync(ctx context.Context) error
	// Remove takes away what is ours and says which edited dashboards are left.
	Remove(ctx context.Context, edited bool) (left []string, err error)
}

func grafanaRoutes() []Route {
	return []Route{
		{"GET", "/api/v1/grafana", "get", "grafana", "the Grafana that is provisioned, and how it is", (*server).grafanaStatus},
		{"POST", "/api/v1/grafana/sync", "update", "grafana", "put folders, data sources and dashboards right in Grafana now", (*server).grafanaSync},
		{"DELETE", "/api/v1/grafana", "delete", "grafana", "take everything of Slipway's out of Grafana; ?edited=true takes dashboards that people edited too", (*server).grafanaRemove},
	}
}

func (s *server) provisioned() (Grafana, error) {
	if s.Grafana == nil {
		return nil, refuse(http.StatusNotFound, "start the server with --grafana-url and --grafana-credentials", "no Grafana is configured")
	}
	return s.Grafana, nil
}

func (s *server) grafanaStatus(w http.ResponseWriter, _ *http.Request) error {
	g, err := s.provisioned()
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, g.Status())
	return nil
}

func (s *server) grafanaSync(w http.ResponseWriter, r *http.Request) error {
	g, err := s.provisioned()
	if err != nil {
		return err
	}
	if err := g.Sync(r.Context()); err != nil {
		return refuse(http.StatusBadGateway, "", "%v", err)
	}
	writeJSON(w, http.StatusOK, g.Status())
	return nil
}

func (s *server) grafanaRemove(w http.ResponseWriter, r *http.Request) error {
	g, err := s.provisioned()
	if err != nil {
		return err
	}
	left, err := g.Remove(r.Context(), r.URL.Query().Get("edited") == "true")
	if err != nil {
		return refuse(http.StatusBadGateway, "ask again: what is gone already does no harm", "%v", err)
	}
	writeJSON(w, http.StatusOK, map[string]any{"left": append([]string{}, left...)})
	return nil
}
