package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

func TestThreat14KeptQueriesAreNarrowed(t *testing.T) {
	p := parser.NewParser(parser.Options{})
	for query, want := range map[string]string{
		`up`:                      `up{namespace="shop"}`,
		`up{namespace="bank"}`:    `up{namespace="bank",namespace="shop"}`,
		`{__name__=~".+"}`:        `{__name__=~".+",namespace="shop"}`,
		`up or secret`:            `up{namespace="shop"} or secret{namespace="shop"}`,
		`rate(x[5m] offset 1h)`:   `rate(x{namespace="shop"}[5m] offset 1h)`,
		`max_over_time(x[5m:1m])`: `max_over_time(x{namespace="shop"}[5m:1m])`,
		`label_replace(x, "namespace", "shop", "", "")`: `label_replace(x{namespace="shop"}, "namespace", "shop", "", "")`,
		`absent(x{namespace=~".*"})`:                    `absent(x{namespace="shop",namespace=~".*"})`,
		`{"quoted.name"}`:                               `{"quoted.name",namespace="shop"}`,
		`1 + 1`:                                         `1 + 1`,
	} {
		got, err := Enforce(p, query, "shop")
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		same, err := p.ParseExpr(want)
		if err != nil {
			t.Fatal(err)
		}
		if same.String() != got && strings.Count(got, `namespace="shop"`) != strings.Count(want, `namespace="shop"`) {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func FuzzEnforce(f *testing.F) {
	for _, q := range []string{`up`, `sum by (a) (rate(x{b=~"c|d"}[5m:1m])) / on () group_left y @ end() or vector(1)`, `{"a b"}`, `topk(3, -x)`} {
		f.Add(q)
	}
	p := parser.NewParser(parser.Options{})
	f.Fuzz(func(t *testing.T, query string) {
		text, err := Enforce(p, query, "shop")
		if err != nil {
			return
		}
		expr, err := p.ParseExpr(text)
		if err != nil {
			t.Fatalf("%q became %q: %v", query, text, err)
		}
		for _, selectors := range parser.ExtractSelectors(expr) {
			found := false
			for _, m := range selectors {
				found = found || m.Name == NamespaceLabel && m.Type == labels.MatchEqual && m.Value == "shop"
			}
			if !found {
				t.Fatalf("%q became %q, which reads elsewhere", query, text)
			}
		}
	})
}
