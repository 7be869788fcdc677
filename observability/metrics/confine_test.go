package metrics

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/api"
	apiv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
)

// opened is a Metrics that scrapes nothing and has series of two tenants and of none.
func opened(t *testing.T, o Options) *Metrics {
	t.Helper()
	dir := t.TempDir()
	o.Targets.Kubeconfig = filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(o.Targets.Kubeconfig, []byte(noCluster), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Targets.Interval, o.Targets.Server, o.Targets.TokenFile = time.Minute, "127.0.0.1:1", filepath.Join(dir, "token")
	m, err := Open(t.Context(), filepath.Join(dir, "tsdb"), o, nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.db.Close(); err != nil {
			t.Error(err)
		}
	})
	a := m.db.Appender(t.Context())
	now := time.Now().UnixMilli()
	for _, ls := range []labels.Labels{
		labels.FromStrings("__name__", "sales_total", "namespace", "shop", "pod", "shop-1"),
		labels.FromStrings("__name__", "sales_total", "namespace", "bank", "pod", "secret-1", "planted", "secret"),
		labels.FromStrings("__name__", "secret_total", "namespace", "bank"),
		labels.FromStrings("__name__", "secret_up", "job", "secret"),
	} {
		for _, at := range []int64{now - 2000, now - 1000, now} {
			ref, err := a.Append(0, ls, at, 42)
			if err != nil {
				t.Fatal(err)
			}
			if at == now {
				e := exemplar.Exemplar{Labels: labels.FromStrings("trace_id", ls.Get("pod")), Value: 1, Ts: at, HasTs: true}
				if _, err := a.AppendExemplar(ref, ls, e); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	return m
}

const noCluster = `{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c","user":""}}],"current-context":"c"}`

func ask(m *Metrics, scope, method, target string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	if scope != "" {
		r.Header.Set(ScopeHeader, scope)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	return w
}

// TestThreat14NoQuerySeesAnotherNamespace tries to get around the confinement by every
// route and by every way to write a query.
func TestThreat14NoQuerySeesAnotherNamespace(t *testing.T) {
	m := opened(t, Options{})
	queries := []string{
		`sales_total`, `{namespace="bank"}`, `{namespace=~".*", pod=~".+"}`, `{namespace!="shop", __name__=~".+"}`, `{namespace=~"bank|shop"}`, `{__name__=~".+"}`,
		`sales_total or secret_total`, `sales_total{namespace="shop"} or {__name__=~"secret.*"}`, `secret_up`, `{job="secret"}`,
		`max_over_time({namespace="bank"}[5m:10s])`, `sum by (planted) (sum_over_time({__name__=~"s.*"}[5m]))`,
		`label_replace({namespace=~".+"}, "namespace", "shop", "namespace", ".*")`, `label_join({__name__=~"s.+"}, "x", "", "planted")`,
		`count_values("x", {__name__=~".+"}) by (pod, planted)`, `topk(10, {__name__=~".+"})`, `group({__name__=~".+"}) by (__name__)`,
		`sales_total * on () group_left (planted) secret_total`, `{namespace="", __name__=~".+"}`, `{"secret_total"}`, `absent(secret_total) * 0 + 43`,
		`secret_total @ end()`, `secret_total offset 1ms`,
	}
	var tries []struct{ method, target, body string }
	try := func(method, target string, form url.Values) {
		if method == http.MethodPost {
			tries = append(tries, struct{ method, target, body string }{method, target, form.Encode()})
			return
		}
		tries = append(tries, struct{ method, target, body string }{method, target + "?" + form.Encode(), ""})
	}
	end := time.Now().Add(time.Second)
	span := func(v url.Values) url.Values {
		v.Set("start", end.Add(-time.Minute).Format(time.RFC3339))
		v.Set("end", end.Format(time.RFC3339))
		v.Set("step", "1")
		return v
	}
	for _, method := range []string{"GET", "POST"} {
		for _, q := range queries {
			try(method, "/api/v1/query", url.Values{"query": {q}, "stats": {"all"}})
			try(method, "/api/v1/query_range", span(url.Values{"query": {q}}))
			try(method, "/api/v1/query_exemplars", span(url.Values{"query": {q}}))
		}
		for _, match := range []string{`{namespace="bank"}`, `{__name__=~".+"}`, `sales_total`, `secret_up`, `{namespace!="shop", __name__=~".+"}`} {
			try(method, "/api/v1/series", span(url.Values{"match[]": {match, `sales_total{namespace="shop"}`}}))
			try(method, "/api/v1/labels", span(url.Values{"match[]": {match}}))
			try(method, "/federate", url.Values{"match[]": {match, "sales_total"}})
			try("GET", "/api/v1/label/planted/values", url.Values{"match[]": {match}})
			try("GET", "/api/v1/label/pod/values", url.Values{"match[]": {match}})
			try("GET", "/api/v1/label/__name__/values", url.Values{"match[]": {match}})
		}
		try(method, "/api/v1/labels", nil)
	}
	for _, route := range []string{
		"/api/v1/label/pod/values", "/api/v1/label/__name__/values", "/api/v1/label/job/values", "/api/v1/label/namespace/values",
		"/api/v1/targets", "/api/v1/targets/metadata", "/api/v1/metadata", "/api/v1/scrape_pools", "/api/v1/rules", "/api/v1/alerts",
		"/api/v1/status/tsdb", "/api/v1/status/config", "/api/v1/status/self_metrics", "/api/v1/search/metric_names",
		"/api/v1//status/tsdb", "/api/v1/query/../status/tsdb", "/api/v1/label/x/values/../../../status/config",
	} {
		try("GET", route, nil)
	}
	leaks := func(w *httptest.ResponseRecorder) string {
		for _, secret := range []string{"secret-1", "secret_total", "secret_up", `"bank"`, `planted"`} {
			if strings.Contains(w.Body.String(), secret) {
				return secret
			}
		}
		return ""
	}
	shown := 0
	for _, c := range tries {
		for _, scope := range []string{"shop", "shop,stall"} {
			w := ask(m, scope, c.method, c.target, strings.NewReader(c.body))
			if secret := leaks(w); secret != "" {
				t.Errorf("scope %s: %s %s %s shows %s: %s", scope, c.method, c.target, c.body, secret, w.Body)
			}
			if w.Code == http.StatusBadRequest {
				t.Errorf("not a try: %s %s %s: %s", c.method, c.target, c.body, w.Body)
			}
		}
		if leaks(ask(m, "*", c.method, c.target, strings.NewReader(c.body))) != "" {
			shown++
		}
	}
	if shown < len(tries)/2 {
		t.Errorf("of %d tries only %d show anything to those who see all: they prove nothing", len(tries), shown)
	}
	if w := ask(m, "shop", "GET", "/api/v1/query?query="+url.QueryEscape(`secret_total offset 1ms`), nil); !strings.Contains(w.Body.String(), `"result":[]`) {
		t.Errorf("a foreign series is not empty: %s", w.Body)
	}
	if w := ask(m, "shop", "GET", "/api/v1/query?query=sales_total", nil); !strings.Contains(w.Body.String(), "shop-1") {
		t.Errorf("the tenant's own series is not there: %d %s", w.Code, w.Body)
	}
	if w := ask(m, "*", "GET", "/api/v1/query?query=secret_up", nil); !strings.Contains(w.Body.String(), `"secret"`) {
		t.Errorf("who sees all does not: %d %s", w.Code, w.Body)
	}
}

func TestThreat14RemoteReadIsConfined(t *testing.T) {
	m := opened(t, Options{})
	q := &prompb.ReadRequest{Queries: []*prompb.Query{{
		StartTimestampMs: time.Now().Add(-time.Minute).UnixMilli(), EndTimestampMs: time.Now().UnixMilli(),
		Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_RE, Name: "__name__", Value: ".+"}},
	}}}
	for _, streamed := range []bool{false, true} {
		if streamed {
			q.AcceptedResponseTypes = []prompb.ReadRequest_ResponseType{prompb.ReadRequest_STREAMED_XOR_CHUNKS}
		}
		b, err := q.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		for scope, sees := range map[string]bool{"*": true, "shop": false} {
			w := ask(m, scope, "POST", "/api/v1/read", strings.NewReader(string(snappy.Encode(nil, b))))
			text := w.Body.String()
			if !streamed && w.Code == http.StatusOK {
				raw, err := snappy.Decode(nil, w.Body.Bytes())
				if err != nil {
					t.Fatal(err)
				}
				text = string(raw)
			}
			if w.Code != http.StatusOK || !strings.Contains(text, "shop-1") || strings.Contains(text, "secret_total") != sees {
				t.Errorf("streamed %v, scope %s: %d %q", streamed, scope, w.Code, text)
			}
		}
	}
}

func TestWithoutScopeNothingAnswers(t *testing.T) {
	m := opened(t, Options{})
	for _, scope := range []string{"", ",", "shop,*", "Shop", `shop"}`, "*,shop", "../x"} {
		w := ask(m, scope, "GET", "/api/v1/query?query=sales_total", nil)
		var answer struct{ Status, ErrorType string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusForbidden || answer.Status != "error" {
			t.Errorf("scope %q: %d %s", scope, w.Code, w.Body)
		}
	}
	q, err := confined{m.db}.Querier(0, time.Now().Add(time.Hour).UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if s := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+")); s.Next() {
		t.Errorf("a context without a scope sees %s", s.At().Labels())
	}
}

// TestClientLibrary has Prometheus' own client ask every route that it knows.
func TestClientLibrary(t *testing.T) {
	m := opened(t, Options{ReceiveWrites: true})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set(ScopeHeader, "*")
		m.Handler().ServeHTTP(w, r)
	}))
	defer srv.Close()
	c, err := api.NewClient(api.Config{Address: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	p, ctx := apiv1.NewAPI(c), t.Context()
	now := time.Now()
	check := func(what string, err error, good bool) {
		t.Helper()
		if err != nil || !good {
			t.Errorf("%s: %v", what, err)
		}
	}
	v, _, _, err := p.Query(ctx, `sum(sales_total)`, now)
	check("query", err, v != nil && v.(model.Vector)[0].Value == 84)
	v, _, _, err = p.QueryRange(ctx, `sales_total`, apiv1.Range{Start: now.Add(-10 * time.Second), End: now, Step: time.Second})
	check("query_range", err, v != nil && len(v.(model.Matrix)) == 2)
	ex, err := p.QueryExemplars(ctx, `sales_total`, now.Add(-time.Minute), now.Add(time.Minute))
	check("query_exemplars", err, len(ex) == 2)
	names, _, _, err := p.LabelNames(ctx, nil, now.Add(-time.Minute), now)
	check("labels", err, len(names) == 5)
	values, _, _, err := p.LabelValues(ctx, "namespace", nil, now.Add(-time.Minute), now)
	check("label values", err, len(values) == 2)
	series, _, _, err := p.Series(ctx, []string{"sales_total"}, now.Add(-time.Minute), now)
	check("series", err, len(series) == 2)
	_, err = p.Targets(ctx)
	check("targets", err, true)
	_, err = p.TargetsMetadata(ctx, "", "", "")
	check("targets/metadata", err, true)
	_, err = p.Metadata(ctx, "", "")
	check("metadata", err, true)
	_, err = p.Rules(ctx, nil)
	check("rules", err, true)
	_, err = p.Alerts(ctx)
	check("alerts", err, true)
	_, err = p.AlertManagers(ctx)
	check("alertmanagers", err, true)
	conf, err := p.Config(ctx)
	check("status/config", err, strings.Contains(conf.YAML, "scrape_configs"))
	flags, err := p.Flags(ctx)
	check("status/flags", err, flags["web.enable-remote-write-receiver"] == "true")
	info, err := p.Runtimeinfo(ctx)
	check("status/runtimeinfo", err, info.StorageRetention != "")
	build, err := p.Buildinfo(ctx)
	check("status/buildinfo", err, build.Version == version)
	_, err = p.TSDB(ctx)
	check("status/tsdb", err, true)
	_, err = p.TSDBBlocks(ctx)
	check("status/tsdb/blocks", err, true)
	_, err = p.WalReplay(ctx)
	check("status/walreplay", err, true)
	formatted, err := p.FormatQuery(ctx, "sum(x)by(y)")
	check("format_query "+formatted, err, strings.Contains(formatted, "sum by (y) (x)"))
}

func TestRemoteWriteIn(t *testing.T) {
	w := &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:  []prompb.Label{{Name: "__name__", Value: "written"}, {Name: "namespace", Value: "shop"}},
		Samples: []prompb.Sample{{Value: 7, Timestamp: time.Now().UnixMilli()}},
	}}}
	b, err := w.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	body := string(snappy.Encode(nil, b))
	for _, c := range []struct {
		scope   string
		receive bool
		body    string
		status  int
	}{
		{"*", true, body, http.StatusNoContent},
		{"*", false, body, http.StatusNotFound},
		{"shop", true, body, http.StatusForbidden},
		{"*", true, "\xff\xff\xff\xff\x0f", http.StatusBadRequest}, // says that it is 4 GB
		{"*", true, "garbage", http.StatusBadRequest},
	} {
		m := opened(t, Options{ReceiveWrites: c.receive})
		r := httptest.NewRequest("POST", "/api/v1/write", strings.NewReader(c.body))
		r.Header.Set(ScopeHeader, c.scope)
		r.Header.Set("Content-Type", "application/x-protobuf")
		r.Header.Set("Content-Encoding", "snappy")
		got := httptest.NewRecorder()
		m.Handler().ServeHTTP(got, r)
		if got.Code != c.status {
			t.Errorf("scope %s, receiving %v, %.10q: %d %s", c.scope, c.receive, c.body, got.Code, got.Body)
		}
		if c.status == http.StatusNoContent {
			if q := ask(m, "shop", "GET", "/api/v1/query?query=written", nil); !strings.Contains(q.Body.String(), `"7"`) {
				t.Errorf("not found: %s", q.Body)
			}
		}
	}
}

// TestThreat14EveryRouteIsForSomeOrForAll asks every route that Prometheus says it has: one
// that was added shows nothing to a tenant before somebody has thought about it.
func TestThreat14EveryRouteIsForSomeOrForAll(t *testing.T) {
	m := opened(t, Options{ReceiveWrites: true})
	w := ask(m, "*", "GET", "/api/v1/openapi.yaml", nil)
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(w.Body.Bytes(), &doc); err != nil || len(doc.Paths) < 25 {
		t.Fatalf("%d %d paths: %v", w.Code, len(doc.Paths), err)
	}
	some := 0
	for p, methods := range doc.Paths {
		if p == "/notifications/live" { // never ends
			continue
		}
		target := "/api/v1" + strings.NewReplacer("{name}", "pod", "*path", "x").Replace(p)
		for method := range methods {
			method = strings.ToUpper(method)
			if method != "GET" && method != "POST" && method != "PUT" {
				continue
			}
			tenant, none := ask(m, "shop", method, target, nil), ask(m, "", method, target, nil)
			if none.Code != http.StatusForbidden {
				t.Errorf("%s %s without a scope: %d", method, target, none.Code)
			}
			if isForSome(target) {
				some++
			} else if tenant.Code != http.StatusForbidden {
				t.Errorf("%s %s in the scope of a tenant: %d", method, target, tenant.Code)
			}
			if all := ask(m, "*", method, target, nil); all.Code == http.StatusForbidden || all.Code == http.StatusInternalServerError && !strings.Contains(all.Body.String(), "disabled") {
				t.Errorf("%s %s for who sees all: %d %s", method, target, all.Code, all.Body)
			}
		}
	}
	if some < 15 {
		t.Errorf("%d routes are for some", some)
	}
}
