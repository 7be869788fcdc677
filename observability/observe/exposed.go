package observe

import (
	"context"
	"sync"
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
	types, err := c.typesOf(ctx)
	if err != nil {
		return nil, err
	}
	var out []dashboard.Metric
	for _, n := range names {
		out = append(out, dashboard.Metric{Name: string(n), Type: types[string(n)]})
	}
	return out, nil
}

// freshTypes is how long types are good for: they are asked for of all metrics at once.
const freshTypes = time.Minute

// types of metrics by name.
type types struct {
	mu    sync.Mutex
	known map[string]string
	until time.Time
}

// typesOf all metrics. Prometheus tells them by target, whoever's it is, so that nobody
// whose sight is of a namespace may ask; of what comes from here only the types of names
// that the namespace has are used.
func (c *Client) typesOf(ctx context.Context) (map[string]string, error) {
	c.types.mu.Lock()
	defer c.types.mu.Unlock()
	if time.Now().Before(c.types.until) {
		return c.types.known, nil
	}
	p, err := c.prometheusAPI(metrics.Scope{All: true})
	if err != nil {
		return nil, err
	}
	about, err := p.Metadata(ctx, "", "")
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for name, all := range about {
		for _, a := range all { // targets that differ come in any order
			if t := string(a.Type); known[name] == "" || t < known[name] {
				known[name] = t
			}
		}
	}
	c.types.known, c.types.until = known, time.Now().Add(freshTypes)
	return known, nil
}
