package metrics

import (
	"fmt"
	"io/fs"

	kyaml "sigs.k8s.io/yaml"
)

// ExportRules is the shipped rules as one file of rules, or as a PrometheusRule for where
// an operator runs Prometheus.
func ExportRules(object bool) ([]byte, error) {
	names, err := fs.Glob(shipped, "rules/*.yaml")
	if err != nil {
		return nil, err
	}
	var groups []any
	for _, name := range names {
		text, err := shipped.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var file struct {
			Groups []any `json:"groups"`
		}
		if err := kyaml.Unmarshal(text, &file); err != nil {
			return nil, fmt.Errorf("rules %s: %w", name, err)
		}
		groups = append(groups, file.Groups...)
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
