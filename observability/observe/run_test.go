package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/models"

	"slipway.dev/observability/alerts"
	"slipway.dev/observability/dashboard"
	"slipway.dev/observability/metrics"
)

// apiServer answers lists of what the child watches, and nothing happens afterwards.
func apiServer(t *testing.T, objects map[string]string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("sendInitialEvents") != "" { // an old API server: clients list first
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422,"message":"sendInitialEvents"}`))
			return
		}
		if r.URL.Query().Get("watch") != "" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		if r.Method != http.MethodGet {
			_, _ = w.Write([]byte(`{}`))
			return
		}
		resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		group := "v1"
		if parts := strings.Split(r.URL.Path, "/"); len(parts) > 4 && parts[1] == "apis" {
			group = parts[2] + "/" + parts[3]
		}
		fmt.Fprintf(w, `{"apiVersion":%q,"kind":"List","metadata":{"resourceVersion":"1"},"items":[%s]}`, group, objects[resource])
	}))
	t.Cleanup(srv.CloseClientConnections)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"` + srv.URL + `"}}],"contexts":[{"name":"c","context":{"cluster":"c","user":""}}],"current-context":"c"}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestChild runs the whole child: what it scrapes of itself, the rules of a user, an alert
// that reaches the Alertmanager, and a silence of one namespace.
func TestChild(t *testing.T) {
	kubeconfig := apiServer(t, map[string]string{
		"namespaces":      `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}`,
		"servicemonitors": `{"apiVersion":"monitoring.coreos.com/v1","kind":"ServiceMonitor","metadata":{"name":"web","namespace":"shop"},"spec":{"selector":{},"endpoints":[{"port":"metrics"}]}}`,
		"prometheusrules": `{"apiVersion":"monitoring.coreos.com/v1","kind":"PrometheusRule","metadata":{"name":"web","namespace":"shop"},"spec":{"groups":[{"name":"g","interval":"5s","rules":[
			{"alert":"Always","expr":"vector(1)","annotations":{"summary":"planted"}},{"record":"stolen","expr":"count(up)"},
			{"record":"orders_total","expr":"vector(1)","labels":{"application":"web"}},{"record":"go_goroutines","expr":"vector(1)","labels":{"application":"web"}},
			{"record":"orders_of_others","expr":"vector(1)","labels":{"application":"other"}}]}]}}`,
	})
	dir, err := os.MkdirTemp("/tmp", "obs") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	at := func(name string) string { return filepath.Join(dir, name) }
	b, err := json.Marshal(Config{
		MetricsDir: at("metrics"), LogsDir: at("logs"), DataDir: dir, Socket: at("o"), Forward: at("f"), Alerts: alerts.Options{Dir: at("alerts"), URL: "http://x"},
		Metrics: metrics.Options{Targets: metrics.Targets{Interval: time.Second, Kubeconfig: kubeconfig, Server: "127.0.0.1:1", TokenFile: kubeconfig, Self: at("o"), Node: "n"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("config"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, at("config"), slog.New(slog.DiscardHandler)) }()
	defer func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	c := NewClient(at("o"), at("f"))
	soon := func(what string, ok func() error) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); ; <-time.After(50 * time.Millisecond) {
			err := ok()
			if err == nil {
				return
			}
			select {
			case err := <-done:
				done <- err
				t.Fatalf("the child ended: %v", err)
			default:
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	soon("ready", func() error { return c.Ready(ctx) })
	all := metrics.Scope{All: true}
	soon("figures of the child itself", func() error {
		v, err := c.Vector(ctx, all, `count(up{job=~"node|kube-state-metrics|observe"} == 1) == 3`)
		if err == nil && len(v) != 1 {
			err = errors.New("not scraped")
		}
		return err
	})
	soon("the alert of a user's rule", func() error {
		found, err := c.Alerts(ctx, "shop", "")
		if err == nil && (len(found) != 1 || found[0].Labels["alertname"] != "Always" || found[0].Annotations["summary"] != "planted") {
			err = fmt.Errorf("%d alerts", len(found))
		}
		return err
	})
	soon("what an application exposes, with its type where it is told", func() error {
		found, err := c.Exposed(ctx, "shop", "web")
		if err == nil && !slices.Equal(found, []dashboard.Metric{{Name: "go_goroutines", Type: "gauge"}, {Name: "orders_total"}}) {
			c.types.until = time.Time{} // the child may not have asked its targets yet
			err = fmt.Errorf("%v", found)
		}
		return err
	})
	for _, of := range [][2]string{{"bank", "web"}, {"shop", "none"}, {"shop", `web"} or up{x="`}} {
		if found, err := c.Exposed(ctx, of[0], of[1]); err != nil || len(found) > 0 {
			t.Errorf("%s exposes %v, %v", of, found, err)
		}
	}
	if other, err := c.Alerts(ctx, "bank", ""); err != nil || len(other) > 0 {
		t.Errorf("another namespace: %v %v", other, err)
	}
	if v, err := c.Vector(ctx, all, `stolen`); err != nil || len(v) > 0 {
		t.Errorf("a rule reads beyond its namespace: %v %v", v, err)
	}
	p, err := c.prometheusAPI(metrics.Scope{Namespaces: []string{"shop"}})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Rules(ctx, nil); err != nil || len(r.Groups) != 1 || r.Groups[0].File != "shop/web" {
		t.Errorf("rules in the scope of shop: %+v %v", r, err)
	}
	if p, err = c.prometheusAPI(all); err != nil {
		t.Fatal(err)
	}
	if conf, err := p.Config(ctx); err != nil || !strings.Contains(conf.YAML, "servicemonitor/shop/web/0") {
		t.Errorf("no job of the monitor: %v", err)
	}

	name, value, yes, no, why, who := "alertname", "Always", true, false, "known", "ann"
	starts, ends := strfmt.DateTime(time.Now()), strfmt.DateTime(time.Now().Add(time.Hour))
	id, err := c.Silence(ctx, "shop", models.Silence{Comment: &why, CreatedBy: &who, StartsAt: &starts, EndsAt: &ends,
		Matchers: models.Matchers{{Name: &name, Value: &value, IsEqual: &yes, IsRegex: &no}}})
	if err != nil {
		t.Fatal(err)
	}
	soon("silenced", func() error {
		found, err := c.Alerts(ctx, "shop", "")
		if err == nil && (len(found) != 1 || *found[0].Status.State != "suppressed") {
			err = errors.New("not silenced")
		}
		return err
	})
	if err := c.Unsilence(ctx, "bank", id); !errors.Is(err, ErrNoSilence) {
		t.Errorf("another namespace ends it: %v", err)
	}
	if err := c.Unsilence(ctx, "shop", id); err != nil {
		t.Error(err)
	}
}
