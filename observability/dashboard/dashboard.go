// Package dashboard owns the dashboards that ship, in Grafana's own JSON, made with
// Grafana's typed builders: cluster, node, namespace, workload, application, pipelines,
// GitOps, registry, logs, and Slipway itself. They read the embedded Prometheus by any Grafana's
// Prometheus data source. It never asks Prometheus anything itself.
//
// Start at All; boards.go is what they show, panel.go how a panel is made.
package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus/prometheus/promql/parser"

	"slipway.dev/observability/selectors"
)

// Dashboard is one as it can be imported into Grafana.
type Dashboard struct {
	// Name is the end of its UID, such as cluster.
	Name  string `json:"name"`
	Title string `json:"title"`
	// About says what it is for.
	About string   `json:"description,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	// JSON is Grafana's own form.
	JSON json.RawMessage `json:"-"`
}

// tags of what Slipway makes.
var tags = []string{"slipway"}

// UID of a shipped dashboard in Grafana.
func UID(name string) string { return "slipway-" + name }

// board is what a dashboard is made from.
type board struct {
	name, title, about string
	variables          []variable
	rows               []row
	logs               bool   // its lines too
	marks              string // labels of the applications whose releases are marked
}

type row struct {
	title  string
	panels []panel
}

// variable is a label whose values can be chosen; each depends on those before it.
type variable struct{ name, query string }

var all = sync.OnceValues(func() ([]Dashboard, error) {
	var out []Dashboard
	for _, b := range boards() {
		d, err := b.build()
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.name, err)
		}
		text, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("dashboard %s: %w", b.name, err)
		}
		out = append(out, Dashboard{b.name, b.title, b.about, tags, text})
	}
	return out, nil
})

// All are the dashboards that ship.
func All() ([]Dashboard, error) { return all() }

// Get is the dashboard of a name.
func Get(name string) (Dashboard, bool) {
	known, err := All()
	if err != nil {
		return Dashboard{}, false
	}
	for _, d := range known {
		if d.Name == name {
			return d, true
		}
	}
	return Dashboard{}, false
}

// source is the data source that the reader chose.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
}

// own has all that is no application's own read Slipway's own series, so that nobody draws on
// a board that ships by calling a series of theirs as one of it.
func (b board) own() (board, error) {
	p := parser.NewParser(parser.Options{})
	var errs []error
	narrow := func(query string) string {
		own, err := selectors.OwnPanel(p, query)
		errs = append(errs, err)
		return own
	}
	b.variables = slices.Clone(b.variables)
	for i, v := range b.variables {
		b.variables[i].query = narrow(v.query)
	}
	b.rows = slices.Clone(b.rows)
	for ri, r := range b.rows {
		panels := slices.Clone(r.panels)
		for pi, panel := range panels {
			if panel.exposed || panel.kind == counted || panel.kind == printed {
				continue
			}
			panels[pi].queries = slices.Clone(panel.queries)
			for qi, q := range panel.queries {
				panels[pi].queries[qi].promql = narrow(q.promql)
			}
		}
		b.rows[ri].panels = panels
	}
	return b, errors.Join(errs...)
}

func (b board) build() (dashboard.Dashboard, error) {
	b, err := b.own()
	if err != nil {
		return dashboard.Dashboard{}, err
	}
	d := dashboard.NewDashboardBuilder(b.title).Uid(UID(b.name)).Description(b.about).Tags(tags).
		Time("now-3h", "now").Refresh("30s").Timezone("browser").Tooltip(dashboard.DashboardCursorSyncCrosshair).Readonly().
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus"))
	for _, v := range b.variables {
		d = d.WithVariable(dashboard.NewQueryVariableBuilder(v.name).Datasource(source()).
			Query(dashboard.StringOrMap{String: cog.ToPtr(v.query)}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
			Sort(dashboard.VariableSortAlphabeticalAsc))
	}
	if b.logs {
		d = logVariables(d)
	}
	if b.marks == "" && slices.ContainsFunc(b.variables, func(v variable) bool { return v.name == "namespace" }) {
		b.marks = `namespace=~"$namespace"`
	}
	if b.marks != "" {
		d = d.Annotation(deploys("slipway_releases_total{" + b.marks + "," + selectors.Mine + "}"))
	}
	for _, r := range b.rows {
		d = d.WithRow(dashboard.NewRowBuilder(r.title))
		for _, p := range r.panels {
			d = d.WithPanel(p.builder())
		}
	}
	return d.Build()
}

// deploys marks when a release came to a result. The first one of an application makes
// its series; a later one changes it, which two scrapes half a minute apart show.
func deploys(releases string) *dashboard.AnnotationQueryBuilder {
	return dashboard.NewAnnotationQueryBuilder().Name("Releases").Datasource(source()).Enable(true).IconColor("blue").
		Expr("changes(" + releases + "[2m]) > 0 or (" + releases + " unless " + releases + " offset 2m)")
}
