package dashboard

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestOfApplication(t *testing.T) {
	metrics := []Metric{{"http_requests_total", "counter"}, {"http_request_duration_seconds_bucket", ""}, {"http_request_duration_seconds_sum", ""},
		{"http_request_duration_seconds_count", ""}, {"queue_length", "gauge"}, {"jobs_total", ""}, {"go_goroutines", "gauge"}, {"rpc_seconds", "summary"},
		{"rpc_seconds_sum", ""}, {"bad name\"}", "gauge"}}
	for i := range 100 {
		metrics = append(metrics, Metric{fmt.Sprintf("zz_%03d", i), "gauge"})
	}
	for name, tc := range map[string]struct {
		exposed    []Metric
		want, none []string
	}{
		"nothing": {nil, []string{"Processors", "Restarts", "Network", "Newest lines"}, []string{"What it tells"}},
		"much": {metrics, []string{"Requests: http_requests_total", "Failed requests: http_requests_total", "http_request_duration_seconds", "queue_length", "jobs_total", "rpc_seconds"},
			[]string{"go_goroutines", "_sum", "bad name", "zz_099"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := OfApplication("default", "shop", tc.exposed)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range tc.want {
				if !strings.Contains(string(d.JSON), `"title": "`+w+`"`) {
					t.Errorf("no panel %s", w)
				}
			}
			for _, n := range tc.none {
				if strings.Contains(string(d.JSON), n) {
					t.Errorf("%s is in it", n)
				}
			}
			var read struct {
				Annotations struct{ List []struct{ Expr string } }
				Panels      []struct{ Targets []struct{ Expr string } }
			}
			if err := json.Unmarshal(d.JSON, &read); err != nil {
				t.Fatal(err)
			}
			p, exprs := parser.NewParser(parser.Options{}), []string{}
			for _, a := range read.Annotations.List {
				if a.Expr != "" {
					exprs = append(exprs, a.Expr)
				}
			}
			if len(exprs) != 1 || !strings.Contains(exprs[0], `application="shop"`) {
				t.Errorf("markers %q", exprs)
			}
			for _, panel := range read.Panels {
				for _, target := range panel.Targets {
					if target.Expr != "" {
						exprs = append(exprs, target.Expr)
					}
				}
			}
			for _, e := range exprs {
				text := strings.ReplaceAll(e, "$__rate_interval", "5m")
				if !strings.Contains(e, "slipway") && !strings.Contains(e, "kube_") && !strings.Contains(e, "container_") {
					if _, err := p.ParseExpr(text); err != nil { // what it tells of itself
						t.Errorf("%s: %v", e, err)
					}
					continue
				}
				ofOurs(t, p, name, text)
			}
		})
	}
	p := parser.NewParser(parser.Options{})
	if _, err := p.ParseMetricSelector(Matcher("default", "shop")); err != nil {
		t.Error(err)
	}
}
