package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/api/v2/models"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"

	"slipway.dev/observability/alerts"
	"slipway.dev/observability/metrics"
)

// page of the console that shows an alert, in its namespace.
func page(front string, l labels.Labels) string {
	path := "/alerts"
	if app := l.Get("application"); app != "" {
		path = "/applications/" + url.PathEscape(app)
	}
	if ns := l.Get(metrics.NamespaceLabel); ns != "" {
		path += "?" + url.Values{"namespace": {ns}}.Encode()
	}
	return strings.TrimRight(front, "/") + path
}

// notifier hands what the rules find to the Alertmanager, with links below front.
func notifier(a *alerts.Alertmanager, front string, fail func(error)) rules.NotifyFunc {
	return func(ctx context.Context, _ string, found ...*rules.Alert) {
		all := make([]*alert.Alert, 0, len(found))
		for _, f := range found {
			n := &alert.Alert{Alert: model.Alert{
				Labels: model.LabelSet{}, Annotations: model.LabelSet{}, StartsAt: f.FiredAt, EndsAt: f.ValidUntil, GeneratorURL: page(front, f.Labels),
			}, UpdatedAt: f.LastSentAt}
			if !f.ResolvedAt.IsZero() {
				n.EndsAt = f.ResolvedAt
			}
			for name, value := range f.Labels.Map() {
				n.Labels[model.LabelName(name)] = model.LabelValue(value)
			}
			for name, value := range f.Annotations.Map() {
				n.Annotations[model.LabelName(name)] = model.LabelValue(value)
			}
			all = append(all, n)
		}
		if err := a.Put(ctx, all...); err != nil {
			fail(err)
		}
	}
}

// Errors of the Alertmanager that are the caller's doing.
var (
	ErrSilence   = errors.New("silence")
	ErrNoSilence = errors.New("no such silence")
)

// Alerts are those of one namespace that fire, of one application where it is not empty.
func (c *Client) Alerts(ctx context.Context, namespace, application string) (models.GettableAlerts, error) {
	q := url.Values{"filter": {fmt.Sprintf("%s=%q", metrics.NamespaceLabel, namespace)}}
	if application != "" {
		q.Add("filter", fmt.Sprintf("application=%q", application))
	}
	var out models.GettableAlerts
	err := c.alertmanager(ctx, http.MethodGet, "alerts?"+q.Encode(), nil, &out)
	return out, err
}

// Silences are those that concern one namespace alone.
func (c *Client) Silences(ctx context.Context, namespace string) (models.GettableSilences, error) {
	var all, own models.GettableSilences
	if err := c.alertmanager(ctx, http.MethodGet, "silences", nil, &all); err != nil {
		return nil, err
	}
	for _, s := range all {
		if concerns(s.Matchers, namespace) {
			own = append(own, s)
		}
	}
	return own, nil
}

// Silence makes one within a namespace, whatever its matchers say, and returns its id.
func (c *Client) Silence(ctx context.Context, namespace string, s models.Silence) (string, error) {
	name, equal, regex := metrics.NamespaceLabel, true, false
	s.Matchers = append(s.Matchers, &models.Matcher{Name: &name, Value: &namespace, IsEqual: &equal, IsRegex: &regex})
	var out struct{ SilenceID string }
	err := c.alertmanager(ctx, http.MethodPost, "silences", models.PostableSilence{Silence: s}, &out)
	return out.SilenceID, err
}

// Unsilence ends a silence of a namespace.
func (c *Client) Unsilence(ctx context.Context, namespace, id string) error {
	own, err := c.Silences(ctx, namespace)
	if err != nil {
		return err
	}
	for _, s := range own {
		if s.ID != nil && *s.ID == id {
			return c.alertmanager(ctx, http.MethodDelete, "silence/"+url.PathEscape(id), nil, nil)
		}
	}
	return fmt.Errorf("%w: %s", ErrNoSilence, id)
}

// concerns says whether matchers are for this namespace and no other.
func concerns(ms models.Matchers, namespace string) bool {
	for _, m := range ms {
		if m.Name != nil && *m.Name == metrics.NamespaceLabel && m.Value != nil && *m.Value == namespace &&
			(m.IsEqual == nil || *m.IsEqual) && (m.IsRegex == nil || !*m.IsRegex) {
			return true
		}
	}
	return false
}

// maxAnswer of the Alertmanager that is read.
const maxAnswer = 32 << 20

func (c *Client) alertmanager(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://observe/alertmanager/api/v2/"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := io.LimitReader(resp.Body, maxAnswer)
	if resp.StatusCode >= 300 {
		b, _ := io.ReadAll(answer)
		text := strings.Trim(strings.TrimSpace(string(b)), `"`)
		if resp.StatusCode < 500 {
			return fmt.Errorf("%w: %s", ErrSilence, text)
		}
		return fmt.Errorf("alertmanager: %s", text)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(answer).Decode(out)
}
