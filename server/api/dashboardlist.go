package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/observability/dashboard"
	"slipway.dev/observability/dashboard/stored"
)

// Where a dashboard comes from.
const (
	SourceShipped     = "shipped"
	SourceRepository  = "repository"
	SourceConfigMap   = "configmap"
	SourceApplication = "application"
)

// Dashboard is one as it is listed.
type Dashboard struct {
	// Name it is got by: of one that ships; app/ and an application; repo/ and a UID, of a
	// repository or a ConfigMap.
	Name  string `json:"name"`
	Title string `json:"title"`
	UID   string `json:"uid"`
	// GrafanaUID is what Grafana knows it by, where it is provisioned.
	GrafanaUID  string   `json:"grafanaUid"`
	Source      string   `json:"source"`
	Namespace   string   `json:"namespace,omitempty"`
	Application string   `json:"application,omitempty"`
	Repository  string   `json:"repository,omitempty"`
	File        string   `json:"file,omitempty"`
	Commit      string   `json:"commit,omitempty"`
	Description string   `json:"description,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

// DashboardProblem is a file of a repository that is wrong, or a ConfigMap, whose File is
// configmap/NAME.
type DashboardProblem struct {
	Namespace  string `json:"namespace"`
	Repository string `json:"repository,omitempty"`
	dashboard.Problem
}

func (s *server) dashboards(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	namespace, items, problems := q.Get("namespace"), []Dashboard{}, []DashboardProblem{}
	wanted, err := dashboardSources(q.Get("source"))
	if err != nil {
		return err
	}
	if wanted[SourceShipped] {
		all, err := dashboard.All()
		if err != nil {
			return err
		}
		for _, d := range all {
			items = append(items, Dashboard{Name: d.Name, Title: d.Title, UID: dashboard.UID(d.Name), GrafanaUID: dashboard.UID(d.Name), Source: SourceShipped, Description: d.About, Tags: d.Tags})
		}
	}
	var tenants []string
	if wanted[SourceRepository] || wanted[SourceConfigMap] || wanted[SourceApplication] {
		if tenants, err = s.Tenants(r.Context()); err != nil {
			return err
		}
		slices.Sort(tenants)
	}
	for _, ns := range tenants {
		if namespace != "" && ns != namespace {
			continue
		}
		more, bad, err := s.keptDashboards(r.Context(), ns, wanted)
		if err != nil {
			return err
		}
		items, problems = append(items, more...), append(problems, bad...)
		if !wanted[SourceApplication] {
			continue
		}
		if more, err = s.madeDashboards(r.Context(), ns); err != nil {
			return err
		}
		items = append(items, more...)
	}
	answer := dashboardList{Items: items, Problems: problems, ScrapeSeconds: s.ScrapeInterval.Seconds()}
	if s.Grafana != nil {
		if st := s.Grafana.Status(); !st.Removed {
			answer.Grafana = st.URL
		}
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// dashboardSources that are asked for; all, where none is named.
func dashboardSources(named string) (map[string]bool, error) {
	known := []string{SourceShipped, SourceRepository, SourceConfigMap, SourceApplication}
	wanted := map[string]bool{}
	for _, source := range known {
		wanted[source] = named == ""
	}
	for source := range strings.SplitSeq(named, ",") {
		if named != "" && !slices.Contains(known, source) {
			return nil, refuse(http.StatusBadRequest, "", "source %q: want some of %s, with commas between them", source, strings.Join(known, ", "))
		}
		wanted[source] = true
	}
	return wanted, nil
}

func sourceOf(o stored.Owner) string {
	if o.ConfigMap != "" {
		return SourceConfigMap
	}
	return SourceRepository
}

type dashboardList struct {
	Items    []Dashboard        `json:"items"`
	Problems []DashboardProblem `json:"problems"`
	// ScrapeSeconds are between two samples of a series, of which $__rate_interval is made.
	ScrapeSeconds float64 `json:"scrapeSeconds"`
	// Grafana is the address of one that has dashboards too.
	Grafana string `json:"grafana,omitempty"`
}

func (s *server) mayList(ctx context.Context, resource, namespace string) (bool, error) {
	u, _ := UserFrom(ctx)
	return s.Authorizer.Allowed(ctx, u, "list", resource, namespace, "")
}

// keptDashboards of the repositories and ConfigMaps of a namespace.
func (s *server) keptDashboards(ctx context.Context, ns string, wanted map[string]bool) (items []Dashboard, bad []DashboardProblem, err error) {
	if allowed, err := s.mayList(ctx, "repositories", ns); err != nil || !allowed {
		return nil, nil, err
	}
	for _, k := range s.Dashboards.List(ns) {
		if !wanted[sourceOf(k.Owner)] {
			continue
		}
		items = append(items, Dashboard{
			Name: "repo/" + k.UID, Title: k.Title, UID: k.UID, GrafanaUID: dashboard.UIDOfKept(ns, k.UID), Source: sourceOf(k.Owner), Namespace: ns, Repository: k.Repository, File: k.File, Commit: k.Commit,
			Description: k.Description, Tags: k.Tags,
		})
	}
	for o, problems := range s.Dashboards.Problems(ns) {
		if !wanted[sourceOf(o)] {
			continue
		}
		for _, p := range problems {
			bad = append(bad, DashboardProblem{ns, o.Repository, p})
		}
	}
	slices.SortStableFunc(bad, func(a, b DashboardProblem) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.File, b.File))
	})
	return items, bad, nil
}

// madeDashboards are those of the applications of a namespace.
func (s *server) madeDashboards(ctx context.Context, ns string) (items []Dashboard, err error) {
	if allowed, err := s.mayList(ctx, "applications", ns); err != nil || !allowed {
		return nil, err
	}
	var apps slipway.ApplicationList
	if err := s.Reader.List(ctx, &apps, client.InNamespace(ns), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	for i := range apps.Items {
		d := dashboard.NameOfApplication(ns, apps.Items[i].Name)
		items = append(items, Dashboard{
			Name: "app/" + apps.Items[i].Name, Title: d.Title, UID: dashboard.UID(d.Name), GrafanaUID: dashboard.UID(d.Name), Source: SourceApplication, Namespace: ns, Application: apps.Items[i].Name,
			Repository: apps.Items[i].Spec.Source.Repository, Description: d.About, Tags: d.Tags,
		})
	}
	slices.SortFunc(items, func(a, b Dashboard) int { return cmp.Compare(a.Name, b.Name) })
	return items, nil
}
