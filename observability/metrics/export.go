package metrics

import (
	"fmt"
	"io/fs"

	"github.com/prometheus/prometheus/promql/parser"
	kyaml "sigs.k8s.io/yaml"

	"slipway.dev/observability/selectors"
)

// ExportRules is the shipped rules as one file of rules, or as a PrometheusRule for where
// an operator runs Prometheus.
func ExportRules(object bool) ([]byte, error) {
	names, err := fs.Glob(shipped, "rules/*.yaml")
	if err != nil {
		return nil, err
	}
	var groups []any
	p := parser.NewParser(parser.Options{})
	for _, name := range names {
		text, err := shipped.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var file struct {
			Groups []struct {
				Name  string           `json:"name"`
				Rules []map[string]any `json:"rules"`
			} `json:"groups"`
		}
		if err := kyaml.UnmarshalStrict(text, &file); err != nil {
			return nil, fmt.Errorf("rules %s: %w", name, err)
		}
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				expr, _ := r["expr"].(string)
				if r["expr"], err = selectors.Own(p, expr); err != nil {
					return nil, fmt.Errorf("rules %s: %w", name, err)
				}
			}
			groups = append(groups, g)
		}
	}
	spec := map[string]any{"groups": groups}
	if !object {
		return kyaml.Marshal(spec)
	}
	return kyaml.Marshal(map[string]any{
		"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
		"metadata": map[string]any{"name": "slipway", "labels": map[string]any{"app.kubernetes.io/managed-by": "slipway"}}, "spec": spec,
	})
}
