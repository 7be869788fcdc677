package observe

import (
	"context"
	"time"

	"slipway.dev/observability/dashboard"
	"slipway.dev/observability/metrics"
)

// Exposed are the metrics that an application's pods had in the last day, with their types.
func (c *Client) Exposed(ctx context.Context, namespace, application string) ([]dashboard.Metric, error) {
	p, err := c.prometheusAPI(metrics.Scope{Namespaces: []string{namespace}})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	names, _, _, err := p.LabelValues(ctx, "__name__", []string{dashboard.Matcher(namespace, application)}, now.Add(-24*time.Hour), now)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	about, _ := p.Metadata(ctx, "", "") // without it, names tell most of the types
	var out []dashboard.Metric
	for _, n := range names {
		m := dashboard.Metric{Name: string(n)}
		if a := about[m.Name]; len(a) > 0 {
			m.Type = string(a[0].Type)
		}
		out = append(out, m)
	}
	return out, nil
}
