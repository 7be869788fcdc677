package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"slipway.dev/observability/credentials"
)

// Elsewhere is a Prometheus (or what speaks its API: Thanos, Mimir, VictoriaMetrics) that
// somebody else runs, and that answers queries in place of the embedded one. The zero
// value is none.
type Elsewhere struct {
	// URL below which its /api/v1 is.
	URL string
	// CredentialsFile has a bearer token, or USER:PASSWORD; empty: none.
	CredentialsFile string
	// CAFile is the authority of its certificate, where it is no public one.
	CAFile string
}

// asked are the routes that it answers, and what of a request goes there. What is not here
// is of this process: targets, rules, alerts, status, writing.
var asked = map[string][]string{
	"/api/v1/query":           {"query", "time", "timeout", "limit", "lookback_delta", "stats"},
	"/api/v1/query_range":     {"query", "start", "end", "step", "timeout", "limit", "lookback_delta", "stats"},
	"/api/v1/query_exemplars": {"query", "start", "end"},
	"/api/v1/series":          {"match[]", "start", "end", "limit"},
	"/api/v1/labels":          {"match[]", "start", "end", "limit"},
	"/api/v1/label/*/values":  {"match[]", "start", "end", "limit"},
}

const (
	maxForm      = 1 << 20
	elsewhereFor = queryTimeout + 10*time.Second
)

// in reads from e what e is asked, narrowed to the scope of the request, and everything
// else from the embedded Prometheus.
func (e Elsewhere) in(embedded http.Handler) (http.Handler, error) {
	if e.URL == "" {
		return embedded, nil
	}
	client, err := e.client()
	if err != nil {
		return nil, err
	}
	p := parser.NewParser(parser.Options{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := e.route(r.URL.Path)
		if route == "" {
			if s, _ := ParseScope(r.Header.Get(ScopeHeader)); r.URL.Path == "/api/v1/read" && (s.All || len(s.Namespaces) > 0) {
				Refuse(w, http.StatusNotImplemented, "unavailable", "remote read is not passed on; ask "+e.URL+" itself")
				return
			}
			embedded.ServeHTTP(w, r)
			return
		}
		scoped(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if err := r.ParseForm(); err != nil {
				Refuse(w, http.StatusBadRequest, "bad_data", err.Error())
				return
			}
			form, err := narrowForm(p, scopeOf(r.Context()), route, r.Form)
			if err != nil {
				Refuse(w, http.StatusBadRequest, "bad_data", err.Error())
				return
			}
			e.ask(client, w, r, form)
		})).ServeHTTP(w, r)
	}), nil
}

func (Elsewhere) route(p string) string {
	for pattern := range asked {
		if ok, _ := path.Match(pattern, p); ok && path.Clean(p) == p {
			return pattern
		}
	}
	return ""
}

// narrowForm is what goes on of a request: what is known, narrowed to the scope.
func narrowForm(p parser.Parser, s Scope, route string, given url.Values) (url.Values, error) {
	out, only := url.Values{}, s.matcher()
	for _, name := range asked[route] {
		switch {
		case name == "match[]":
			for _, text := range given[name] {
				narrowed, err := narrowSelector(p, text, only)
				if err != nil {
					return nil, err
				}
				out.Add(name, narrowed)
			}
			if len(given[name]) == 0 && only != nil && route != "/api/v1/series" {
				out.Set(name, selector(only))
			}
		case name == "query" && only != nil:
			text, err := narrowQuery(p, given.Get(name), only)
			if err != nil {
				return nil, err
			}
			out.Set(name, text)
		case given.Has(name):
			out.Set(name, given.Get(name))
		}
	}
	return out, nil
}

func narrowSelector(p parser.Parser, text string, only *labels.Matcher) (string, error) {
	if only == nil {
		return text, nil
	}
	ms, err := p.ParseMetricSelector(text)
	if err != nil {
		return "", err
	}
	narrowed := selector(append(ms, only)...)
	again, err := p.ParseMetricSelector(narrowed)
	if err != nil || !has(again, only) {
		return "", errors.Join(fmt.Errorf("selector %s: cannot be narrowed to your namespaces", text), err)
	}
	return narrowed, nil
}

func selector(ms ...*labels.Matcher) string {
	texts := make([]string, len(ms))
	for i, m := range ms {
		texts[i] = m.String()
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// client has the credentials, and follows no redirect: they are bound to one host.
func (e Elsewhere) client() (*http.Client, error) {
	c := commonconfig.HTTPClientConfig{TLSConfig: commonconfig.TLSConfig{CAFile: e.CAFile}, EnableHTTP2: true}
	if e.CredentialsFile != "" {
		who, err := credentials.Read(e.CredentialsFile)
		if err != nil {
			return nil, fmt.Errorf("metrics.prometheusCredentials: %w", err)
		}
		if who.User != "" {
			c.BasicAuth = &commonconfig.BasicAuth{Username: who.User, Password: commonconfig.Secret(who.Secret)}
		} else {
			c.Authorization = &commonconfig.Authorization{Type: "Bearer", CredentialsFile: e.CredentialsFile}
		}
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("metrics.prometheusURL: %w", err)
	}
	client, err := commonconfig.NewClientFromConfig(c, "prometheus")
	if err != nil {
		return nil, fmt.Errorf("metrics.prometheusCA: %w", err)
	}
	return client, nil
}

// ask sends a form and passes the answer on. No header of the request goes along.
func (e Elsewhere) ask(client *http.Client, w http.ResponseWriter, r *http.Request, form url.Values) {
	ctx, cancel := context.WithTimeout(r.Context(), elsewhereFor)
	defer cancel()
	to, err := url.Parse(strings.TrimSuffix(e.URL, "/"))
	if err != nil {
		Refuse(w, http.StatusBadGateway, "unavailable", "metrics.prometheusURL is no URL")
		return
	}
	to.Path += r.URL.Path
	method, body := http.MethodPost, io.Reader(strings.NewReader(form.Encode()))
	if strings.HasPrefix(r.URL.Path, "/api/v1/label/") { // takes no POST
		method, body, to.RawQuery = http.MethodGet, nil, form.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, to.String(), body)
	if err != nil {
		Refuse(w, http.StatusBadRequest, "bad_data", err.Error())
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error // has the query in it, which is long
		if errors.As(err, &u) {
			err = u.Err
		}
		Refuse(w, http.StatusBadGateway, "unavailable", fmt.Sprintf("the Prometheus at %s does not answer: %v", e.URL, err))
		return
	}
	defer resp.Body.Close()
	kind := resp.Header.Get("Content-Type")
	if !strings.HasPrefix(kind, "application/json") || resp.StatusCode == http.StatusUnauthorized {
		Refuse(w, http.StatusBadGateway, "unavailable", fmt.Sprintf("the Prometheus at %s answers %s, and no result; look at its address and at the credentials", e.URL, resp.Status))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}
