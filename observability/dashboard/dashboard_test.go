package dashboard

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"slipway.dev/observability/elastic"
	"slipway.dev/observability/selectors"
)

var variableOf = regexp.MustCompile(`\$(__rate_interval|[a-z]+)|\$\{([a-z]+):raw\}`)

// labelValues is a query of the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.+), *[a-z_]+\)$`)

// ofOurs wants a query to read Slipway's own series alone: a series of anybody else may have
// any name, and is not drawn on a board that ships.
func ofOurs(t *testing.T, p parser.Parser, where, query string) {
	t.Helper()
	expr, err := p.ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	for _, ms := range parser.ExtractSelectors(expr) {
		if !selectors.Has(ms, labels.MustNewMatcher(labels.MatchEqual, selectors.OriginLabel, "")) {
			t.Errorf("%s: %s reads series of others: %s", where, query, ms)
		}
	}
}

// TestDashboards reads each as Grafana does: strictly, with unique names, panels that do
// not overlap, and queries that are PromQL and use the variables that there are.
func TestDashboards(t *testing.T) {
	boards, err := All()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"cluster", "node", "namespace", "workload", "application", "pipelines", "gitops", "registry", "logs", "slipway"}
	p := parser.NewParser(parser.Options{})
	for i, b := range boards {
		if b.Name != want[i] {
			t.Errorf("board %d is %s, want %s", i, b.Name, want[i])
		}
		var d dashboard.Dashboard
		if err := d.UnmarshalJSONStrict(b.JSON); err != nil {
			t.Errorf("%s: %v", b.Name, err)
		}
		var read struct {
			UID        string
			Templating struct {
				List []struct {
					Name, Type string
					Query      any
				}
			}
			Annotations struct{ List []struct{ Expr string } }
			Panels      []struct {
				Type    string
				Title   string
				GridPos struct{ X, Y, W, H int }
				Targets []struct {
					Expr, Query string
					Datasource  struct{ Type string }
				}
			}
		}
		if err := json.Unmarshal(b.JSON, &read); err != nil {
			t.Fatal(err)
		}
		if read.UID != UID(b.Name) {
			t.Errorf("%s: uid %s", b.Name, read.UID)
		}
		variables := map[string]bool{"__rate_interval": true}
		for _, v := range read.Templating.List {
			variables[v.Name] = true
		}
		resolved := func(where, text string) string {
			return variableOf.ReplaceAllStringFunc(text, func(v string) string {
				if !variables[strings.TrimSuffix(strings.Trim(v, "${}"), ":raw")] {
					t.Errorf("%s: %s: no variable %s", b.Name, where, v)
				}
				return "5m"
			})
		}
		for _, v := range read.Templating.List {
			if v.Type != "query" {
				continue
			}
			text, _ := v.Query.(string)
			series := labelValues.FindStringSubmatch(text)
			if series == nil {
				t.Errorf("%s: variable %s: %q has no labels to choose from", b.Name, v.Name, text)
			} else {
				ofOurs(t, p, b.Name+": variable "+v.Name, resolved(v.Name, series[1]))
			}
		}
		for _, a := range read.Annotations.List {
			if a.Expr == "" {
				continue // Grafana's own
			}
			ofOurs(t, p, b.Name+": markers", resolved("markers", a.Expr))
		}
		taken := map[[2]int]string{}
		queries := 0
		for _, panel := range read.Panels {
			for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
				for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%s: %s lies on %s", b.Name, panel.Title, other)
					}
					taken[[2]int{x, y}] = panel.Title
				}
			}
			for _, target := range panel.Targets {
				queries++
				lines := target.Datasource.Type == "elasticsearch"
				text := resolved(panel.Title, target.Expr+target.Query)
				if lines {
					if target.Query == "" || target.Expr != "" {
						t.Errorf("%s: %s: no query of lines", b.Name, panel.Title)
					}
					read := strings.NewReplacer("$namespace", "shop", "${search:raw}", "*").Replace(target.Query)
					if _, err := elastic.Lucene(read); err != nil {
						t.Errorf("%s: %s: %v", b.Name, panel.Title, err)
					}
					continue
				}
				ofOurs(t, p, b.Name+": "+panel.Title, text)
			}
			if panel.Type != "row" && (panel.Title == "" || len(panel.Targets) == 0) {
				t.Errorf("%s: a panel %q without a query", b.Name, panel.Title)
			}
		}
		if queries < 5 {
			t.Errorf("%s: %d queries", b.Name, queries)
		}
	}
	if _, ok := Get("none"); ok {
		t.Error("there is a dashboard of any name")
	}
	if d, ok := Get("cluster"); !ok || !strings.Contains(string(d.JSON), `"slipway-cluster"`) {
		t.Error("no dashboard cluster")
	}
}
