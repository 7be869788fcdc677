package selectors

import (
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestOwn(t *testing.T) {
	p := parser.NewParser(parser.Options{})
	for query, want := range map[string]string{
		`up == 0`: `up{slipway_source=""} == 0`,
		`sum by (a) (rate(x{job="y"}[5m])) / on (a) z offset 2m`:                           `sum by (a) (rate(x{job="y",slipway_source=""}[5m])) / on (a) z{slipway_source=""} offset 2m`,
		`absent({__name__=~"a.+"}) or max_over_time(b[1h:5m])`:                             `absent({__name__=~"a.+",slipway_source=""}) or max_over_time(b{slipway_source=""}[1h:5m])`,
		`up{slipway_source!=""} == 0 and x`:                                                `up{slipway_source!=""} == 0 and x{slipway_source=""}`,
		`rate(x{namespace=~"$namespace"}[$__rate_interval])`:                               `rate(x{namespace=~"$namespace",slipway_source=""}[$__rate_interval])`,
		`label_values(kube_deployment_spec_replicas{namespace=~"$namespace"}, deployment)`: `label_values(kube_deployment_spec_replicas{namespace=~"$namespace",slipway_source=""}, deployment)`,
		`x{a="slipway_source=\"\""}`:                                                       `x{a="slipway_source=\"\"",slipway_source=""}`,
		`label_replace(x, "slipway_source", "", "a", ".*")`:                                `label_replace(x{slipway_source=""}, "slipway_source", "", "a", ".*")`,
		`sum(rate(x[$__interval])) + sum_over_time(y[$__range:$__interval])`:               `sum(rate(x{slipway_source=""}[$__interval])) + sum_over_time(y{slipway_source=""}[$__range:$__interval])`,
		`changes(x{a="b"}[2m]) > 0 or (x{a="b"} unless x{a="b"} offset 2m)`:                `changes(x{a="b",slipway_source=""}[2m]) > 0 or (x{a="b",slipway_source=""} unless x{a="b",slipway_source=""} offset 2m)`,
		`max by (a) (kube_x{type="used"}) / (max by (a) (kube_x{type="hard"}) > 0) > 0.9`:  `max by (a) (kube_x{slipway_source="",type="used"}) / (max by (a) (kube_x{slipway_source="",type="hard"}) > 0) > 0.9`,
	} {
		got, err := OwnPanel(p, query)
		if err != nil || got != want {
			t.Errorf("%s:\n%s %v, want\n%s", query, got, err, want)
		}
		if again, err := OwnPanel(p, got); err != nil || again != got {
			t.Errorf("%s: %s %v", got, again, err)
		}
	}
	if _, err := OwnPanel(p, "rate(x[$other])"); err == nil {
		t.Error("what cannot be read is let through")
	}
}
