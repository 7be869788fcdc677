package daemon

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/models"

	"slipway.dev/observability/metrics"
	"slipway.dev/observability/observe"
	"slipway.dev/server/api"
)

// alertAPI is the child's Alertmanager in the API's words.
type alertAPI struct{ *observe.Client }

func (a alertAPI) List(ctx context.Context, namespace, application string) ([]api.Alert, error) {
	all, err := a.Alerts(ctx, namespace, application)
	if err != nil {
		return nil, err
	}
	out := make([]api.Alert, 0, len(all))
	for _, g := range all {
		n := api.Alert{Labels: g.Labels, Annotations: g.Annotations}
		if g.StartsAt != nil {
			n.StartsAt = time.Time(*g.StartsAt)
		}
		if g.Status != nil && g.Status.State != nil {
			n.State, n.SilencedBy, n.Inhibited = *g.Status.State, g.Status.SilencedBy, len(g.Status.InhibitedBy) > 0
		}
		out = append(out, n)
	}
	return out, nil
}

func (a alertAPI) Silences(ctx context.Context, namespace string) ([]api.Silence, error) {
	all, err := a.Client.Silences(ctx, namespace)
	if err != nil {
		return nil, err
	}
	out := make([]api.Silence, 0, len(all))
	for _, g := range all {
		n := api.Silence{ID: text(g.ID), Comment: text(g.Comment), CreatedBy: text(g.CreatedBy), StartsAt: moment(g.StartsAt), EndsAt: moment(g.EndsAt)}
		if g.Status != nil {
			n.State = text(g.Status.State)
		}
		for _, m := range g.Matchers {
			n.Matchers = append(n.Matchers, text(m.Name)+operator(m)+text(m.Value))
		}
		out = append(out, n)
	}
	return out, nil
}

func (a alertAPI) Silence(ctx context.Context, namespace string, s api.Silence) (api.Silence, error) {
	starts, ends := strfmt.DateTime(s.StartsAt), strfmt.DateTime(s.EndsAt)
	in := models.Silence{Comment: &s.Comment, CreatedBy: &s.CreatedBy, StartsAt: &starts, EndsAt: &ends}
	for _, m := range s.Matchers {
		label, op, value, err := api.ParseMatcher(m)
		if err != nil {
			return s, err
		}
		equal, regex := !strings.HasPrefix(op, "!"), strings.HasSuffix(op, "~")
		in.Matchers = append(in.Matchers, &models.Matcher{Name: &label, Value: &value, IsEqual: &equal, IsRegex: &regex})
	}
	id, err := a.Client.Silence(ctx, namespace, in)
	if errors.Is(err, observe.ErrSilence) {
		return s, &api.Error{Status: http.StatusBadRequest, Message: err.Error()}
	}
	s.ID, s.State = id, "active"
	return s, err
}

func (a alertAPI) Unsilence(ctx context.Context, namespace, id string) error {
	err := a.Client.Unsilence(ctx, namespace, id)
	if errors.Is(err, observe.ErrNoSilence) {
		return &api.Error{Status: http.StatusNotFound, Message: "silence " + id + ": not found", Hint: "`slipway silence list` has those of the namespace"}
	}
	return err
}

func operator(m *models.Matcher) string {
	op := "="
	if m.IsEqual != nil && !*m.IsEqual {
		op = "!"
	}
	switch {
	case m.IsRegex != nil && *m.IsRegex:
		return op + "~"
	case op == "!":
		return "!="
	}
	return op
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func moment(p *strfmt.DateTime) time.Time {
	if p == nil {
		return time.Time{}
	}
	return time.Time(*p)
}

// alertmanager is Alertmanager's own API: it shows all namespaces, and silences any.
func (s *services) alertmanager() http.Handler {
	read := s.access.guarded("get", "metrics", s.observe.Alertmanager())
	write := s.access.guarded("create", "silences", s.observe.Alertmanager())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del(metrics.ScopeHeader)
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			read.ServeHTTP(w, r)
			return
		}
		write.ServeHTTP(w, r)
	})
}
