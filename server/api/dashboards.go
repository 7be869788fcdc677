package api

import (
	"context"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/observability/dashboard"
	"slipway.dev/observability/dashboard/stored"
)

func dashboardRoutes(ns string) []Route {
	return []Route{
		{"GET", "/api/v1/dashboards", "", "", "the dashboards that ship, and those of repositories and applications of all namespaces in which the user may read them; ?namespace=, ?source=shipped, repository, configmap or application, or several with commas; with what a page needs to draw one: the scrape interval, and the address of Grafana if there is one", (*server).dashboards},
		{"GET", ns + "/applications/{name}/dashboard", "get", "applications", "a dashboard in Grafana's JSON made from what the application exposes", (*server).applicationDashboard},
		{"GET", ns + "/dashboards/{uid}", "list", "repositories", "a dashboard in Grafana's JSON that a repository or a ConfigMap keeps, by its UID", (*server).repositoryDashboard},
		{"GET", "/api/v1/dashboards/{name}", "", "", "a dashboard in Grafana's JSON that ships", (*server).dashboard},
	}
}

// Dashboards are those that repositories and ConfigMaps keep; *stored.Store satisfies it.
type Dashboards interface {
	// List those of a namespace, without their texts.
	List(namespace string) []stored.Kept
	// Problems of files, by whose they are.
	Problems(namespace string) map[stored.Owner][]dashboard.Problem
	// Get one with its text.
	Get(namespace, uid string) (stored.Kept, bool, error)
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

func (s *server) repositoryDashboard(w http.ResponseWriter, r *http.Request) error {
	uid := r.PathValue("uid")
	if !dashboard.ValidUID(uid) {
		return refuse(http.StatusBadRequest, "", "uid %q: want at most 40 letters, digits, - and _", uid)
	}
	k, ok, err := s.Dashboards.Get(r.PathValue("ns"), uid)
	if err != nil {
		return err
	}
	if !ok {
		return refuse(http.StatusNotFound, "`slipway dashboard list` has the names", "dashboard %s: no repository and no ConfigMap of namespace %s keeps it", uid, r.PathValue("ns"))
	}
	writeJSON(w, http.StatusOK, k.JSON)
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
