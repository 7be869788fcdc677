package daemon

import (
	"context"
	"net/http"
	"slices"

	"slipway.dev/observability/elastic"
	"slipway.dev/server/api"
)

// elastic passes requests of the Elasticsearch API on to the store's process, with what
// the caller may: the tenants' namespaces whose logs they may get and create.
func (s *services) elastic() http.Handler {
	next := s.observe.Elastic()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, _ := api.UserFrom(r.Context())
		a, err := s.logAccess(r.Context(), u)
		if err != nil {
			api.WriteError(w, s.log, err)
			return
		}
		r = r.Clone(r.Context())
		a.Attach(r.Header)
		next.ServeHTTP(w, r)
	})
}

func (s *services) logAccess(ctx context.Context, u api.User) (elastic.Access, error) {
	a := elastic.Access{User: u.Name}
	namespaces, err := s.tenants(ctx)
	if err != nil {
		return a, err
	}
	if a.Every, err = s.access.Allowed(ctx, u, "get", "logs", "", ""); err != nil {
		return a, err
	}
	for _, ns := range namespaces {
		for verb, list := range map[string]*[]string{"get": &a.Read, "create": &a.Write} {
			ok, err := s.access.Allowed(ctx, u, verb, "logs", ns, "")
			if err != nil {
				return a, err
			}
			if ok {
				*list = append(*list, ns)
			}
		}
	}
	switch {
	case slices.Contains(a.Write, tenant):
		a.Home = tenant
	case len(a.Write) > 0:
		a.Home = a.Write[0]
	}
	return a, nil
}
