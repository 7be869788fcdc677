package dashboard

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/gauge"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// kind of a panel.
type kind int

const (
	lines   kind = iota // over time
	number              // now
	dial                // a share of something, now
	list                // a table of what is now
	counted             // log lines over time, by the field that the legend names
	printed             // log lines
)

// panel is one query, or several, and how it is drawn.
type panel struct {
	kind        kind
	title, unit string
	queries     []query
	warn, bad   float64 // thresholds; 0 is none
	exposed     bool    // by an application: all others are of Slipway's own series
}

// query is PromQL (Lucene for log lines) and what a series of it is called.
type query struct{ promql, legend string }

func one(k kind, title, unit, promql, legend string) panel {
	return panel{kind: k, title: title, unit: unit, queries: []query{{promql, legend}}}
}

// beyond colours values from warn and from bad on.
func (p panel) beyond(warn, bad float64) panel {
	p.warn, p.bad = warn, bad
	return p
}

func (p panel) thresholds() *dashboard.ThresholdsConfigBuilder {
	steps := []dashboard.Threshold{{Color: "green"}}
	if p.warn > 0 {
		steps = append(steps, dashboard.Threshold{Value: cog.ToPtr(p.warn), Color: "orange"})
	}
	if p.bad > 0 {
		steps = append(steps, dashboard.Threshold{Value: cog.ToPtr(p.bad), Color: "red"})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}

func (p panel) builder() cog.Builder[dashboard.Panel] {
	switch p.kind {
	case counted:
		return p.counted()
	case printed:
		return p.printed()
	case number:
		b := stat.NewPanelBuilder().Title(p.title).Unit(p.unit).Datasource(source()).Span(6).Height(4).Thresholds(p.thresholds()).
			ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
		for i, q := range p.queries {
			b = b.WithTarget(target(i, q).Instant())
		}
		return b
	case dial:
		b := gauge.NewPanelBuilder().Title(p.title).Unit(p.unit).Datasource(source()).Span(6).Height(6).Min(0).Max(1).Thresholds(p.thresholds()).
			ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
		for i, q := range p.queries {
			b = b.WithTarget(target(i, q).Instant())
		}
		return b
	case list:
		b := table.NewPanelBuilder().Title(p.title).Unit(p.unit).Datasource(source()).Span(12).Height(8)
		for i, q := range p.queries {
			b = b.WithTarget(target(i, q).Instant().Format(prometheus.PromQueryFormatTable))
		}
		return b
	}
	b := timeseries.NewPanelBuilder().Title(p.title).Unit(p.unit).Datasource(source()).Span(12).Height(8).Min(0).FillOpacity(10).
		ShowPoints(common.VisibilityModeNever).Thresholds(p.thresholds()).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true))
	for i, q := range p.queries {
		b = b.WithTarget(target(i, q).Range())
	}
	return b
}

func target(i int, q query) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(q.promql).LegendFormat(q.legend).RefId(string(rune('A' + i))).Datasource(source())
}
