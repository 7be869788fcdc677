package dashboard

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/elasticsearch"
	"github.com/grafana/grafana-foundation-sdk/go/logs"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// logsBoard reads the log store through its Elasticsearch API.
func logsBoard() board {
	const all = `namespace:"$namespace" AND (${search:raw})`
	return board{name: "logs", title: "Slipway / Logs", about: "What the pods of a namespace print: how much, by whom, and the lines.",
		variables: []variable{inNamespace}, logs: true, rows: []row{
			{"How much", []panel{
				one(counted, "Lines", "short", all, ""),
				one(counted, "Lines by application", "short", all, "application"),
				one(counted, "Lines by pod", "short", all, "pod"),
				one(counted, "Lines with an error", "short", all+` AND (error OR exception OR panic OR fatal)`, "pod"),
			}},
			{"Lines", []panel{one(printed, "Newest", "", all, "")}},
		}}
}

// lineSource is the data source of log lines that the reader chose.
func lineSource() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("elasticsearch"), Uid: cog.ToPtr("${logs}")}
}

func logVariables(d *dashboard.DashboardBuilder) *dashboard.DashboardBuilder {
	return d.WithVariable(dashboard.NewDatasourceVariableBuilder("logs").Label("Log source").Type("elasticsearch")).
		WithVariable(dashboard.NewTextBoxVariableBuilder("search").Label("Search").DefaultValue(dashboard.StringOrMap{String: cog.ToPtr("*")}))
}

// lineQuery counts the lines that match by time, and by a field if there is one.
func lineQuery(lucene string, metric elasticsearch.MetricAggregation, buckets []elasticsearch.BucketAggregation) *elasticsearch.DataqueryBuilder {
	return elasticsearch.NewDataqueryBuilder().RefId("A").Datasource(lineSource()).Query(lucene).TimeField("@timestamp").
		Metrics([]elasticsearch.MetricAggregation{metric}).BucketAggs(buckets)
}

func (p panel) counted() cog.Builder[dashboard.Panel] {
	count := elasticsearch.NewCount()
	count.Id = "1"
	var buckets []elasticsearch.BucketAggregation
	q := p.queries[0]
	if q.legend != "" {
		by := elasticsearch.NewTerms()
		by.Id, by.Field = "3", cog.ToPtr(q.legend)
		by.Settings = &elasticsearch.ElasticsearchTermsSettings{Order: cog.ToPtr(elasticsearch.TermsOrderDesc), OrderBy: cog.ToPtr("_count"), Size: cog.ToPtr("10"), MinDocCount: cog.ToPtr("1")}
		buckets = append(buckets, elasticsearch.BucketAggregation{Terms: by})
	}
	over := elasticsearch.NewDateHistogram()
	over.Id, over.Field = "2", cog.ToPtr("@timestamp")
	over.Settings = &elasticsearch.ElasticsearchDateHistogramSettings{Interval: cog.ToPtr("auto"), MinDocCount: cog.ToPtr("0")}
	buckets = append(buckets, elasticsearch.BucketAggregation{DateHistogram: over})
	return timeseries.NewPanelBuilder().Title(p.title).Unit(p.unit).Datasource(lineSource()).Span(12).Height(8).Min(0).
		DrawStyle(common.GraphDrawStyleBars).FillOpacity(60).
		WithTarget(lineQuery(q.promql, elasticsearch.MetricAggregation{Count: count}, buckets))
}

func (p panel) printed() cog.Builder[dashboard.Panel] {
	newest := elasticsearch.NewLogs()
	newest.Id, newest.Settings = "1", &elasticsearch.ElasticsearchLogsSettings{Limit: cog.ToPtr("500")}
	return logs.NewPanelBuilder().Title(p.title).Datasource(lineSource()).Span(24).Height(16).
		ShowTime(true).WrapLogMessage(true).SortOrder(common.LogsSortOrderDescending).
		WithTarget(lineQuery(p.queries[0].promql, elasticsearch.MetricAggregation{Logs: newest}, nil))
}
