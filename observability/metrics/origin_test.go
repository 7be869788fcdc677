package metrics

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"slipway.dev/observability/selectors"
)

// forged adds to a load, for each of its series, two of a hostile pod with the same name and
// labels: one that is always 0, and one that grows fast.
func forged(load string) string {
	var b strings.Builder
	for line := range strings.Lines(load) {
		b.WriteString(line)
		series, _, ok := strings.Cut(strings.TrimSpace(line), " ")
		if i := strings.Index(line, "}"); i >= 0 {
			series = strings.TrimSpace(line[:i])
		} else if series += "{"; !ok || !strings.HasPrefix(line, " ") {
			continue
		}
		if !strings.HasSuffix(series, "{") {
			series += ","
		}
		b.WriteString("  " + series + `slipway_source="shop", n="1"} 0x400` + "\n  " + series + `slipway_source="shop", n="2"} 1000+1000x400` + "\n")
	}
	return b.String()
}

// TestThreat14NobodysSeriesAreReadAsOurs: with any series that a namespace may make beside
// ours, whatever its name, its job and its values, each shipped rule fires, records and is
// quiet as it is without them.
func TestThreat14NobodysSeriesAreReadAsOurs(t *testing.T) {
	for _, c := range ruleCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			more := forged(c.Load)
			if strings.Count(more, "slipway_source") < 2 {
				t.Fatalf("nothing is forged in %s", c.Load)
			}
			c.Load = more
			for q, v := range c.Values {
				own, err := selectors.Own(parser.NewParser(parser.Options{}), q)
				if err != nil {
					t.Fatal(err)
				}
				delete(c.Values, q)
				c.Values[own] = v
			}
			c.run(t, map[string]bool{})
		})
	}
}

// TestThreat14ShippedRulesReadOurs: those that read other series say so, and there are two.
func TestThreat14ShippedRulesReadOurs(t *testing.T) {
	p := parser.NewParser(parser.Options{})
	book, err := newRuleBook(p, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ours := labels.MustNewMatcher(labels.MatchEqual, selectors.OriginLabel, "")
	others := map[string]bool{}
	for _, groups := range book.files {
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				expr, err := p.ParseExpr(r.Expr)
				if err != nil {
					t.Fatal(err)
				}
				for _, ms := range parser.ExtractSelectors(expr) {
					if !selectors.Has(ms, ours) {
						others[r.Alert+r.Record] = true
					}
				}
			}
		}
	}
	if len(others) != 2 || !others["TargetDown"] || !others["TargetExplodes"] {
		t.Errorf("not of our own series: %v", others)
	}
}

func answers(t *testing.T, m *Metrics, query string) string {
	t.Helper()
	w := ask(m, "*", "GET", "/api/v1/query?query="+url.QueryEscape(query), nil)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	return w.Body.String()
}

// TestThreat14WhatComesInIsSigned: by whatever way a series comes that is not ours, it says so.
func TestThreat14WhatComesInIsSigned(t *testing.T) {
	m := opened(t, Options{ReceiveWrites: true})
	now := time.Now()
	hostile := func(way string) []prompb.Label {
		return []prompb.Label{{Name: "__name__", Value: "up"}, {Name: "job", Value: "apiserver"}, {Name: "namespace", Value: "shop"}, {Name: "slipway_source", Value: "kube-system"}, {Name: "way", Value: way}}
	}
	// A target of a namespace.
	ls := labels.NewBuilder(labels.EmptyLabels())
	for _, l := range hostile("scraped") {
		ls.Set(l.Name, l.Value)
	}
	for _, forged := range []labels.Labels{ls.Labels(), ls.Del(selectors.OriginLabel).Set("way", "scraped plainly").Labels()} {
		a := ofNamespaces(m.within()).AppenderV2(t.Context())
		ref, err := a.Append(0, forged, 0, now.UnixMilli()-1000, 0, nil, nil, storage.AppendV2Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Append(ref, forged, 0, now.UnixMilli(), 0, nil, nil, storage.AppendV2Options{}); err != nil {
			t.Fatal(err)
		}
		if err := a.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	a := ofNamespaces(m.within()).AppenderV2(t.Context())
	if _, err := a.Append(0, labels.FromStrings("__name__", "up", "job", "apiserver"), 0, now.UnixMilli(), 0, nil, nil, storage.AppendV2Options{}); err == nil {
		t.Error("a series that says of no namespace that it is its is taken")
	}
	_ = a.Rollback()
	// Another Prometheus.
	body, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels: hostile("written"), Samples: []prompb.Sample{{Value: 0, Timestamp: now.UnixMilli() - 1000}, {Value: 0, Timestamp: now.UnixMilli()}},
		Exemplars: []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: "t"}}, Value: 1, Timestamp: now.UnixMilli()}},
	}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/api/v1/write", strings.NewReader(string(snappy.Encode(nil, body))))
	r.Header.Set(ScopeHeader, "*")
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("Content-Encoding", "snappy")
	w := httptest.NewRecorder()
	if m.Handler().ServeHTTP(w, r); w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	// A rule of a namespace that records a name of ours, and one that an administrator lifted.
	rule := func(way string) *rulefmt.RuleGroups {
		return &rulefmt.RuleGroups{Groups: []rulefmt.RuleGroup{{Name: way, Interval: model.Duration(time.Minute), Rules: []rulefmt.Rule{
			{Record: "up", Expr: `label_replace(vector(0), "slipway_source", "", "", "")`, Labels: map[string]string{"way": way, "job": "apiserver", "slipway_source": ""}},
		}}}}
	}
	if err := m.UseRules(map[string]*rulefmt.RuleGroups{"shop/rules": rule("recorded"), "bank/rules": rule("recorded by bank")}); err != nil {
		t.Fatal(err)
	}
	for _, g := range m.rules.RuleGroups() {
		if strings.HasPrefix(g.Name(), "recorded") {
			g.Eval(t.Context(), now)
		}
	}
	for way, origin := range map[string]string{"scraped": "shop", "scraped plainly": "shop", "written": selectors.Written, "recorded": "shop", "recorded by bank": "bank"} {
		if got := answers(t, m, `up{way="`+way+`"}`); !strings.Contains(got, `"slipway_source":"`+origin+`"`) || strings.Count(got, `"metric"`) != 1 {
			t.Errorf("%s: %s", way, got)
		}
	}
	if got := answers(t, m, `{__name__=~"up|ALERTS", slipway_source=""}`); strings.Contains(got, `"metric"`) {
		t.Errorf("passes for ours: %s", got)
	}
	// They see their own, and nobody else's.
	if w := ask(m, "shop", "GET", "/api/v1/query?query=up", nil); strings.Count(w.Body.String(), `"metric"`) != 3 {
		t.Errorf("the namespace sees %s", w.Body)
	}
}
