package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"slipway.dev/observability/metrics"
)

// embedded is where the child answers of what it stores itself, also when a Prometheus
// elsewhere answers the users.
const embedded = "/embedded"

// Vector asks the child's own Prometheus what promql is now, in a scope: what scales
// workloads must not depend on another program.
func (c *Client) Vector(ctx context.Context, scope metrics.Scope, promql string) (model.Vector, error) {
	p, err := c.apiAt(embedded, scope)
	if err != nil {
		return nil, err
	}
	v, _, _, err := p.Query(ctx, promql, time.Now())
	if err != nil {
		return nil, err
	}
	vector, ok := v.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("query %s: a %s and no vector", promql, v.Type())
	}
	return vector, nil
}

func (c *Client) prometheusAPI(scope metrics.Scope) (v1.API, error) {
	return c.apiAt("/prometheus", scope)
}

func (c *Client) apiAt(path string, scope metrics.Scope) (v1.API, error) {
	p, err := api.NewClient(api.Config{Address: "http://observe" + path, RoundTripper: inScope{c.http.Transport, scope}})
	if err != nil {
		return nil, err
	}
	return v1.NewAPI(p), nil
}

// elsewherePath is where the child says how a Prometheus is that answers in its place.
const elsewherePath = "/metrics/elsewhere"

func elsewhere(m *metrics.Metrics) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(m.Elsewhere()) }
}

// Elsewhere is how the Prometheus is that answers queries; nil when it is the child's own.
func (c *Client) Elsewhere(ctx context.Context) (*metrics.ElsewhereState, error) {
	var out *metrics.ElsewhereState
	err := c.state(ctx, elsewherePath, &out)
	return out, err
}

// state reads what the child says of itself.
func (c *Client) state(ctx context.Context, path string, into any) error {
	resp, err := c.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("observe child: %s: %s: %s", path, resp.Status, told(resp))
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// inScope says with each request what may be seen.
type inScope struct {
	next  http.RoundTripper
	scope metrics.Scope
}

func (i inScope) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(metrics.ScopeHeader, i.scope.String())
	return i.next.RoundTrip(r)
}
