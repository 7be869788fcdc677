package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"slipway.dev/observability/selectors"

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

// foreign is a Prometheus elsewhere, and how it is.
type foreign struct {
	Elsewhere
	client *http.Client
	state  theirState
}

// reach readies e to be asked; nil is none.
func (e Elsewhere) reach() (*foreign, error) {
	if e.URL == "" {
		return nil, nil
	}
	client, err := e.client()
	if err != nil {
		return nil, err
	}
	return &foreign{Elsewhere: e, client: client}, nil
}

// Check reads the files that e names.
func (e Elsewhere) Check() error {
	_, err := e.reach()
	return err
}

// before answers what e is asked, narrowed to the scope of the request, and leaves
// everything else to the embedded Prometheus.
func (e *foreign) before(embedded http.Handler) http.Handler {
	if e == nil {
		return embedded
	}
	p := parser.NewParser(parser.Options{})
	read := scoped(http.HandlerFunc(e.read))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == readRoute {
			read.ServeHTTP(w, r)
			return
		}
		route := e.route(r.URL.Path)
		if route == "" {
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
			e.ask(w, r, form)
		})).ServeHTTP(w, r)
	})
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
			text, err := selectors.Narrow(p, given.Get(name), only)
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
	if err != nil || !selectors.Has(again, only) {
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
func (e *foreign) ask(w http.ResponseWriter, r *http.Request, form url.Values) {
	ctx, cancel := context.WithTimeout(r.Context(), elsewhereFor)
	defer cancel()
	method, query, body := http.MethodPost, "", io.Reader(strings.NewReader(form.Encode()))
	if strings.HasPrefix(r.URL.Path, "/api/v1/label/") { // takes no POST
		method, query, body = http.MethodGet, form.Encode(), nil
	}
	req, err := e.request(ctx, method, r.URL.Path, body)
	if err != nil {
		Refuse(w, http.StatusBadRequest, "bad_data", err.Error())
		return
	}
	req.URL.RawQuery = query
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := e.do(req, "application/json")
	if err != nil {
		Refuse(w, http.StatusBadGateway, "unavailable", err.Error())
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(resp.StatusCode)
	passOn(w, resp.Body)
}

func (e *foreign) request(ctx context.Context, method, route string, body io.Reader) (*http.Request, error) {
	to, err := url.Parse(strings.TrimSuffix(e.URL, "/"))
	if err != nil {
		return nil, errors.New("metrics.prometheusURL is no URL")
	}
	to.Path += route
	return http.NewRequestWithContext(ctx, method, to.String(), body)
}

// do asks, and wants an answer of a type that Prometheus' are of. Who asked and left says
// nothing about theirs.
func (e *foreign) do(req *http.Request, kinds ...string) (*http.Response, error) {
	resp, err := e.client.Do(req)
	if err != nil {
		var u *url.Error // has the query in it, which is long
		if errors.As(err, &u) {
			err = u.Err
		}
		err = fmt.Errorf("the Prometheus at %s does not answer: %w", e.URL, err)
		if !errors.Is(req.Context().Err(), context.Canceled) {
			e.state.is(err)
		}
		return nil, err
	}
	kind := resp.Header.Get("Content-Type")
	if resp.StatusCode == http.StatusUnauthorized || !slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(kind, k) }) {
		_ = resp.Body.Close()
		err := fmt.Errorf("the Prometheus at %s answers %s, and no result; look at its address and at the credentials", e.URL, resp.Status)
		e.state.is(err)
		return nil, err
	}
	e.state.is(nil)
	return resp, nil
}
