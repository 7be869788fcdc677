package daemon

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"slipway.dev/observability/metrics"
	"slipway.dev/server/api"
)

// metricsFor passes requests for Prometheus' API on with what the caller may see: all
// with the right to get metrics of the whole cluster, else the namespaces where they
// may. Writing needs the right to create metrics of the whole cluster.
func (s *services) metricsFor(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, _ := api.UserFrom(r.Context())
		if metrics.Writes(r) {
			if ok, err := s.access.Allowed(r.Context(), u, "create", "metrics", "", ""); err != nil || !ok {
				metrics.Refuse(w, http.StatusForbidden, "forbidden", "writing needs the right to create metrics of the whole cluster")
				return
			}
		}
		scope, err := s.metricsScope(r.Context(), u)
		if err != nil {
			s.log.Warn("metrics", "user", u.Name, "err", err)
			metrics.Refuse(w, http.StatusServiceUnavailable, "unavailable", "who may see which metrics cannot be asked now; try again")
			return
		}
		if !scope.All && len(scope.Namespaces) == 0 {
			metrics.Refuse(w, http.StatusForbidden, "forbidden", "there is no namespace whose metrics this token may get")
			return
		}
		r = r.Clone(r.Context())
		r.Header.Set(metrics.ScopeHeader, scope.String())
		next.ServeHTTP(w, r)
	})
}

// metricsScope is what u may see of the metrics.
func (s *services) metricsScope(ctx context.Context, u api.User) (metrics.Scope, error) {
	if ok, err := s.access.Allowed(ctx, u, "get", "metrics", "", ""); ok || err != nil {
		return metrics.Scope{All: ok}, err
	}
	var all corev1.NamespaceList
	if err := s.manager.GetClient().List(ctx, &all); err != nil {
		return metrics.Scope{}, err
	}
	may := make([]string, len(all.Items))
	var g errgroup.Group
	g.SetLimit(16)
	for i := range all.Items {
		g.Go(func() error {
			ok, err := s.access.Allowed(ctx, u, "get", "metrics", all.Items[i].Name, "")
			if ok {
				may[i] = all.Items[i].Name
			}
			return err
		})
	}
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return metrics.Scope{}, err
	}
	may = slices.DeleteFunc(may, func(n string) bool { return n == "" })
	slices.Sort(may)
	return metrics.Scope{Namespaces: may}, nil
}
