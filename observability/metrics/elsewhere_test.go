package metrics

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
)

// behind is a Prometheus that only a token opens. It has the series of opened.
func behind(t *testing.T, next http.Handler) (address string) {
	t.Helper()
	s := httptest.NewServer(http.StripPrefix("/theirs", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer planted-token" || r.Header.Get("Cookie") != "" || r.Header.Get("X-Callers") != "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})))
	t.Cleanup(s.Close)
	return s.URL + "/theirs"
}

// theirs are Prometheus servers that somebody else could run: the linked one, and the real
// program of the same version where it is built.
func theirs(t *testing.T) map[string]http.Handler {
	t.Helper()
	m := opened(t, Options{})
	all := map[string]http.Handler{"linked": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set(ScopeHeader, "*")
		m.Handler().ServeHTTP(w, r)
	})}
	program, err := filepath.Abs("../../build/tools/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
		t.Fatal("Prometheus itself is not there; `make clients` builds it, as `make test` does")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "c.yml"), []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(program, "--config.file", filepath.Join(dir, "c.yml"), "--storage.tsdb.path", filepath.Join(dir, "d"),
		"--web.listen-address", address, "--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	w := &prompb.WriteRequest{}
	for _, ls := range []labels.Labels{
		labels.FromStrings("__name__", "sales_total", "namespace", "shop", "pod", "shop-1"),
		labels.FromStrings("__name__", "sales_total", "namespace", "bank", "pod", "secret-1", "planted", "secret"),
		labels.FromStrings("__name__", "secret_total", "namespace", "bank"),
		labels.FromStrings("__name__", "secret_up", "job", "secret"),
	} {
		w.Timeseries = append(w.Timeseries, prompb.TimeSeries{Labels: prompb.FromLabels(ls, nil), Samples: []prompb.Sample{{Value: 42, Timestamp: time.Now().UnixMilli()}}})
	}
	b, err := w.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(2 * time.Minute); ; <-time.After(50 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, b)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"snappy"}}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusNoContent {
				break
			}
		}
		if time.Now().After(end) {
			t.Fatalf("not written: %v\n%s", err, out.String())
		}
	}
	all["real"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+address+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = r.Header.Clone()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})
	return all
}

// TestAPrometheusElsewhereAnswers, for all and for a tenant, who sees its own and gets
// around nothing.
func TestAPrometheusElsewhereAnswers(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("planted-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, next := range theirs(t) {
		t.Run(name, func(t *testing.T) {
			m, err := at(t.Context(), t.TempDir(), Options{Elsewhere: Elsewhere{URL: behind(t, next), CredentialsFile: token}})
			if err != nil {
				t.Fatal(err)
			}
			defer m.close()
			get := func(scope, method, target string, form url.Values) *httptest.ResponseRecorder {
				body := ""
				if method == http.MethodGet {
					target += "?" + form.Encode()
				} else {
					body = form.Encode()
				}
				r := httptest.NewRequest(method, target, strings.NewReader(body))
				r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, ScopeHeader: {scope}, "Authorization": {"Bearer callers"}, "Cookie": {"a=b"}, "X-Callers": {"x"}}
				w := httptest.NewRecorder()
				m.Handler().ServeHTTP(w, r)
				return w
			}
			now := time.Now()
			span := url.Values{"start": {now.Add(-time.Minute).Format(time.RFC3339)}, "end": {now.Add(time.Minute).Format(time.RFC3339)}, "step": {"1"}, "time": {now.Add(30 * time.Second).Format(time.RFC3339)}}
			with := func(name string, values ...string) url.Values {
				v := url.Values{name: values}
				for k := range span {
					v[k] = span[k]
				}
				return v
			}
			secret := func(text string) bool {
				return strings.Contains(text, "secret") || strings.Contains(text, "bank") || strings.Contains(text, "planted")
			}
			for _, method := range []string{"GET", "POST"} {
				for _, q := range []string{`{__name__=~"s.+"}`, `sales_total{namespace=~".*"}`, `sales_total or secret_up`, `sum by (pod, planted) (max_over_time({__name__=~"s.+"}[5m:10s]))`, `label_replace(sales_total, "x", "$1", "planted", "(.*)")`} {
					for _, route := range []string{"/api/v1/query", "/api/v1/query_range"} {
						all, tenant := get("*", method, route, with("query", q)), get("shop,stall", method, route, with("query", q))
						if all.Code != http.StatusOK || !secret(all.Body.String()) || !strings.Contains(all.Body.String(), "shop-1") {
							t.Errorf("%s %s %s: %d %s", method, route, q, all.Code, all.Body)
						}
						if tenant.Code != http.StatusOK || secret(tenant.Body.String()) || !strings.Contains(tenant.Body.String(), "shop-1") {
							t.Errorf("%s %s %s for a tenant: %d %s", method, route, q, tenant.Code, tenant.Body)
						}
					}
				}
				for _, match := range [][]string{{`{__name__=~"s.+"}`}, {`sales_total`, `{namespace="bank"}`, `secret_up`}} {
					all, tenant := get("*", method, "/api/v1/series", with("match[]", match...)), get("shop", method, "/api/v1/series", with("match[]", match...))
					if !secret(all.Body.String()) || tenant.Code != http.StatusOK || secret(tenant.Body.String()) || !strings.Contains(tenant.Body.String(), "shop-1") {
						t.Errorf("%s series %s: %s, for a tenant %d %s", method, match, all.Body, tenant.Code, tenant.Body)
					}
				}
				all, tenant := get("*", method, "/api/v1/labels", span), get("shop", method, "/api/v1/labels", span)
				if !secret(all.Body.String()) || tenant.Code != http.StatusOK || secret(tenant.Body.String()) || !strings.Contains(tenant.Body.String(), "pod") {
					t.Errorf("%s labels: %s, for a tenant %d %s", method, all.Body, tenant.Code, tenant.Body)
				}
			}
			for _, form := range []url.Values{span, with("match[]", `{__name__=~"s.+"}`), with("match[]", "sales_total", "secret_total")} {
				all, tenant := get("*", "GET", "/api/v1/label/pod/values", form), get("shop", "GET", "/api/v1/label/pod/values", form)
				if !secret(all.Body.String()) || tenant.Code != http.StatusOK || tenant.Body.String() != `{"status":"success","data":["shop-1"]}` {
					t.Errorf("values %s: %s, for a tenant %d %s", form, all.Body, tenant.Code, tenant.Body)
				}
			}
			for target, want := range map[string]int{
				"/api/v1/query?query=sum(": http.StatusBadRequest, "/api/v1/label/../values": http.StatusOK, "/api/v1/label/x/../../status/config": http.StatusForbidden,
				"/api/v1/status/config": http.StatusForbidden, "/api/v1/targets": http.StatusOK, "/api/v1/rules": http.StatusOK, "/api/v1/read": http.StatusBadRequest,
			} {
				r := httptest.NewRequest("GET", "/", nil)
				r.URL, _ = url.Parse(target)
				r.Header.Set(ScopeHeader, "shop")
				w := httptest.NewRecorder()
				m.Handler().ServeHTTP(w, r)
				if w.Code != want {
					t.Errorf("%s for a tenant: %d %s", target, w.Code, w.Body)
				}
				r.Header.Del(ScopeHeader)
				w = httptest.NewRecorder()
				if m.Handler().ServeHTTP(w, r); w.Code != http.StatusForbidden {
					t.Errorf("%s without a scope: %d", target, w.Code)
				}
			}
			readElsewhere(t, m)
			m.theirs.look(t.Context())
			if s := m.Elsewhere(); s == nil || s.Problem != "" || s.Asked.IsZero() || s.URL != m.opts.Elsewhere.URL {
				t.Errorf("%+v", s)
			}
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/api/v1/query?query=sales_total", nil)
			r.Header.Set(ScopeHeader, "*")
			if m.Embedded().ServeHTTP(w, r); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "shop-1") {
				t.Errorf("the embedded one: %s", w.Body)
			}
		})
	}
}

// readElsewhere reads by remote read, as Prometheus and Thanos do.
func readElsewhere(t *testing.T, m *Metrics) {
	t.Helper()
	matcher := func(kind prompb.LabelMatcher_Type, name, value string) *prompb.LabelMatcher {
		return &prompb.LabelMatcher{Type: kind, Name: name, Value: value}
	}
	query := func(ms ...*prompb.LabelMatcher) *prompb.Query {
		from, to := time.Now().Add(-time.Minute).UnixMilli(), time.Now().Add(time.Minute).UnixMilli()
		return &prompb.Query{StartTimestampMs: from, EndTimestampMs: to, Matchers: ms, Hints: &prompb.ReadHints{Func: "rate", StepMs: 1000, StartMs: from, EndMs: to}}
	}
	q := &prompb.ReadRequest{Queries: []*prompb.Query{
		query(matcher(prompb.LabelMatcher_RE, "__name__", "s.+")),
		query(matcher(prompb.LabelMatcher_EQ, "namespace", "bank")),
		query(matcher(prompb.LabelMatcher_NEQ, "namespace", "shop"), matcher(prompb.LabelMatcher_RE, "__name__", ".+")),
	}}
	for _, kind := range []prompb.ReadRequest_ResponseType{prompb.ReadRequest_SAMPLES, prompb.ReadRequest_STREAMED_XOR_CHUNKS} {
		q.AcceptedResponseTypes = []prompb.ReadRequest_ResponseType{kind}
		b, err := q.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		for scope, sees := range map[string]bool{"*": true, "shop": false, "shop,stall": false} {
			w := ask(m, scope, "POST", "/api/v1/read", bytes.NewReader(snappy.Encode(nil, b)))
			text := w.Body.String()
			if kind == prompb.ReadRequest_SAMPLES && w.Code == http.StatusOK {
				raw, err := snappy.Decode(nil, w.Body.Bytes())
				if err != nil {
					t.Fatal(err)
				}
				text = string(raw)
			}
			if w.Code != http.StatusOK || !strings.Contains(text, "shop-1") || strings.Contains(text, "secret_total") != sees || strings.Contains(text, "bank") != sees {
				t.Errorf("%s, scope %s: %d %q", kind, scope, w.Code, text)
			}
		}
	}
	more := append(snappy.Encode(nil, nil), 0)
	for what, body := range map[string][]byte{"garbage": []byte("garbage"), "more than it says": more, "a matcher of no type": func() []byte {
		b, err := (&prompb.ReadRequest{Queries: []*prompb.Query{query(matcher(9, "namespace", "bank"))}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return snappy.Encode(nil, b)
	}()} {
		if w := ask(m, "shop", "POST", "/api/v1/read", bytes.NewReader(body)); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
}

// TestNarrowedReadsHaveWhatIsKnown: a field of a later Prometheus is not passed on.
func TestNarrowedReadsHaveWhatIsKnown(t *testing.T) {
	asked := &prompb.ReadRequest{Queries: []*prompb.Query{{Matchers: []*prompb.LabelMatcher{{Name: "a", Value: "b", XXX_unrecognized: []byte("\x7a\x01x")}}, XXX_unrecognized: []byte("\x7a\x01x")}}, XXX_unrecognized: []byte("\x7a\x01x")}
	out, err := narrowRead(asked, Scope{Namespaces: []string{"shop"}}.matcher())
	if err != nil {
		t.Fatal(err)
	}
	want := &prompb.ReadRequest{Queries: []*prompb.Query{{Matchers: []*prompb.LabelMatcher{{Name: "a", Value: "b"}, {Name: "namespace", Value: "shop"}}}}}
	if out.String() != want.String() {
		t.Errorf("%s, want %s", out, want)
	}
	if _, err := narrowRead(&prompb.ReadRequest{Queries: []*prompb.Query{nil}}, nil); err == nil {
		t.Error("an empty query was taken")
	}
}

// TestAPrometheusElsewhereThatIsIll: the answer is Prometheus' error, says who, and has no
// credential in it.
func TestAPrometheusElsewhereThatIsIll(t *testing.T) {
	password := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(password, []byte("slipway:planted-password"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"a login page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<script>alert(1)</script>"))
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusTemporaryRedirect)
		},
		"wrong credentials": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"gone":              nil,
	} {
		s := httptest.NewServer(h)
		if h == nil {
			s.Close()
		}
		m, err := at(t.Context(), t.TempDir(), Options{Elsewhere: Elsewhere{URL: s.URL, CredentialsFile: password}})
		if err != nil {
			t.Fatal(err)
		}
		w := ask(m, "*", "GET", "/api/v1/query?query=up", nil)
		if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), `"status":"error"`) || !strings.Contains(w.Body.String(), s.URL) || strings.Contains(w.Body.String(), "planted-password") || strings.Contains(w.Body.String(), "alert(1)") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		b, err := (&prompb.ReadRequest{}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if w := ask(m, "*", "POST", "/api/v1/read", bytes.NewReader(snappy.Encode(nil, b))); w.Code != http.StatusBadGateway || strings.Contains(w.Body.String(), "planted-password") {
			t.Errorf("%s, remote read: %d %s", name, w.Code, w.Body)
		}
		if state := m.Elsewhere(); state.Since.IsZero() || !strings.Contains(state.Problem, s.URL) || strings.Contains(state.Problem, "planted-password") {
			t.Errorf("%s: state %+v", name, state)
		}
		if err := m.close(); err != nil {
			t.Error(err)
		}
		s.Close()
	}
	for text, want := range map[string]string{"": "is empty"} {
		if err := os.WriteFile(password, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (Elsewhere{URL: "http://x", CredentialsFile: password}).reach(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
