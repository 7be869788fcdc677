package monitors

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	promrelabel "github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/promql/parser"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	kyaml "sigs.k8s.io/yaml"

	"slipway.dev/observability/metrics"
)

func newPrometheus(t *testing.T) (*metrics.Metrics, string) {
	t.Helper()
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c","user":""}}],"current-context":"c"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := metrics.Open(t.Context(), filepath.Join(dir, "tsdb"), metrics.Options{Targets: metrics.Targets{Interval: time.Minute, Kubeconfig: kubeconfig, Server: "127.0.0.1:1", TokenFile: kubeconfig}},
		nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return m, kubeconfig
}

func translator(kubeconfig string) *Translator {
	return &Translator{Kubeconfig: kubeconfig, Client: fake.NewClientset(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "s"}, Data: map[string][]byte{"token": []byte("planted"), "user": []byte("u")}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "prober"}, Spec: corev1.ServiceSpec{ClusterIP: "10.43.0.9"}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "prober"}, Spec: corev1.ServiceSpec{ClusterIP: "10.43.0.8"}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "away"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "169.254.169.254"}},
	)}
}

// read is a spec as people write it.
func read[T any](t *testing.T, text string) *T {
	t.Helper()
	v := new(T)
	if err := kyaml.UnmarshalStrict([]byte(text), v); err != nil {
		t.Fatal(err)
	}
	return v
}

// through is what becomes of the labels of a discovered target.
func through(c *config.ScrapeConfig, pairs ...string) labels.Labels {
	b := labels.NewBuilder(labels.FromStrings(pairs...))
	if !promrelabel.ProcessBuilder(b, c.RelabelConfigs...) {
		return labels.EmptyLabels()
	}
	return b.Labels()
}

func TestServiceMonitor(t *testing.T) {
	p, kubeconfig := newPrometheus(t)
	spec := read[monitoring.ServiceMonitorSpec](t, `
selector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: NotIn, values: [test]}]}
namespaceSelector: {any: true}
targetLabels: [team]
jobLabel: app
sampleLimit: 100
endpoints:
- port: metrics
  path: /m
  interval: 15s
  honorLabels: true
  authorization: {credentials: {name: s, key: token}}
  relabelings: [{sourceLabels: [__meta_kubernetes_service_label_version], targetLabel: version}]
  metricRelabelings: [{action: drop, sourceLabels: [__name__], regex: noisy}]
`)
	for _, confined := range []bool{true, false} {
		jobs, err := translator(kubeconfig).Service(t.Context(), Source{"ServiceMonitor", "shop", "web", confined}, spec)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Scrape(p, jobs[0])
		if err != nil {
			t.Fatal(err)
		}
		if c.SampleLimit != 100 || c.LabelLimit != 64 || c.MetricsPath != "/m" || c.ScrapeInterval != model.Duration(15*time.Second) || !c.HonorLabels || c.HTTPClientConfig.FollowRedirects {
			t.Errorf("confined %v: %+v", confined, c)
		}
		if string(c.HTTPClientConfig.Authorization.Credentials) != "planted" {
			t.Error("no credentials")
		}
		target := []string{"__address__", "10.42.0.5:80", "__meta_kubernetes_namespace", "shop", "__meta_kubernetes_service_label_app", "web", "__meta_kubernetes_service_labelpresent_app", "true",
			"__meta_kubernetes_endpointslice_port_name", "metrics", "__meta_kubernetes_service_name", "websvc", "__meta_kubernetes_service_label_team", "red", "__meta_kubernetes_service_label_version", "7"}
		got := through(c, target...)
		for name, want := range map[string]string{"namespace": "shop", "job": "web", "team": "red", "version": "7", "endpoint": "metrics", "service": "websvc"} {
			if got.Get(name) != want {
				t.Errorf("confined %v: %s is %q, want %q", confined, name, got.Get(name), want)
			}
		}
		other := append([]string{}, target...)
		other[3] = "bank"
		if got := through(c, other...); (got.Get("namespace") == "bank") == confined || confined && !got.IsEmpty() {
			t.Errorf("confined %v: a target of another namespace: %s", confined, got)
		}
		if got := through(c, append([]string{"__meta_kubernetes_service_label_tier", "test", "__meta_kubernetes_service_labelpresent_tier", "true"}, target...)...); !got.IsEmpty() {
			t.Errorf("a target that is not selected: %s", got)
		}
	}
}

func TestThreat5ConfinedMonitorsGoNowhereElse(t *testing.T) {
	p, kubeconfig := newPrometheus(t)
	for name, endpoint := range map[string]string{
		"address":           `{port: m, relabelings: [{targetLabel: __address__, replacement: "169.254.169.254:80"}]}`,
		"address by a map":  `{port: m, relabelings: [{action: labelmap, regex: "__meta_kubernetes_pod_label_x(.+)", replacement: "$1"}]}`,
		"address by a name": `{port: m, relabelings: [{sourceLabels: [x], targetLabel: "${1}address__", regex: "(__)"}]}`,
		"interval":          `{port: m, interval: 1ms}`,
		"hidden interval":   `{port: m, relabelings: [{targetLabel: __scrape_interval__, replacement: 1ms}]}`,
		"proxy":             `{port: m, proxyUrl: "http://127.0.0.1:8080"}`,
		"file":              `{port: m, bearerTokenFile: /etc/shadow}`,
		"tls file":          `{port: m, tlsConfig: {caFile: /etc/shadow}}`,
		"foreign secret":    `{port: m, authorization: {credentials: {name: elsewhere, key: token}}}`,
	} {
		spec := read[monitoring.ServiceMonitorSpec](t, "selector: {}\nendpoints:\n- "+endpoint+"\n")
		jobs, err := translator(kubeconfig).Service(t.Context(), Source{"ServiceMonitor", "shop", "web", true}, spec)
		if err == nil {
			_, err = Scrape(p, jobs[0])
		}
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	// A label of a target or of a sample does not say that it is another's.
	spec := read[monitoring.PodMonitorSpec](t, `{selector: {}, podMetricsEndpoints: [{port: m, honorLabels: true, relabelings: [{targetLabel: namespace, replacement: bank}], metricRelabelings: [{targetLabel: namespace, replacement: bank}]}]}`)
	jobs, err := translator(kubeconfig).Pod(t.Context(), Source{"PodMonitor", "shop", "web", true}, spec)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Scrape(p, jobs[0])
	if err != nil {
		t.Fatal(err)
	}
	got := through(c, "__address__", "10.42.0.5:80", "__meta_kubernetes_namespace", "shop", "__meta_kubernetes_pod_container_port_name", "m")
	b := labels.NewBuilder(labels.FromStrings("__name__", "x", "namespace", "honoured"))
	promrelabel.ProcessBuilder(b, c.MetricRelabelConfigs...)
	if got.Get("namespace") != "shop" || b.Labels().Get("namespace") != "shop" {
		t.Errorf("target %s, sample %s", got, b.Labels())
	}
}

// TestThreat14MonitorsCannotHideWhoseSeriesTheyAre tries to have a namespace's series pass for
// Slipway's own, by every step that writes or drops a label.
func TestThreat14MonitorsCannotHideWhoseSeriesTheyAre(t *testing.T) {
	p, kubeconfig := newPrometheus(t)
	for _, confined := range []bool{true, false} {
		for name, step := range map[string]string{
			"emptied":      `{targetLabel: slipway_source, replacement: ""}`,
			"another's":    `{targetLabel: slipway_source, replacement: kube-system}`,
			"by a pattern": `{sourceLabels: [__name__], regex: (.*), targetLabel: slipway_source, replacement: ""}`,
			"dropped":      `{action: labeldrop, regex: "slipway_.*|namespace"}`,
			"kept":         `{action: labelkeep, regex: "__name__|__address__|job"}`,
			"mapped":       `{action: labelmap, regex: "(.+)_from", replacement: "x_$1"}`,
			"job":          `{targetLabel: job, replacement: apiserver}`,
		} {
			spec := read[monitoring.PodMonitorSpec](t, `{selector: {}, podMetricsEndpoints: [{port: m, honorLabels: true, relabelings: [`+step+`], metricRelabelings: [`+step+`]}]}`)
			jobs, err := translator(kubeconfig).Pod(t.Context(), Source{"PodMonitor", "shop", "web", confined}, spec)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			c, err := Scrape(p, jobs[0])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			target := through(c, "__address__", "10.42.0.5:80", "__meta_kubernetes_namespace", "shop", "__meta_kubernetes_pod_container_port_name", "m")
			b := labels.NewBuilder(labels.FromStrings("__name__", "kube_pod_info", "slipway_source", "kube-system", "slipway_source_from", "a"))
			promrelabel.ProcessBuilder(b, c.MetricRelabelConfigs...)
			if target.Get("slipway_source") != "shop" || b.Labels().Get("slipway_source") != "shop" {
				t.Errorf("%s, confined %v: target %s, sample %s", name, confined, target, b.Labels())
			}
		}
	}
}

// TestScrapeClassesAreNoted: the object is used without it.
func TestScrapeClassesAreNoted(t *testing.T) {
	_, kubeconfig := newPrometheus(t)
	source := func(kind string) Source { return Source{kind, "shop", "web", true} }
	tr := translator(kubeconfig)
	for kind, make := range map[string]func() ([]job, error){
		"ServiceMonitor": func() ([]job, error) {
			return tr.Service(t.Context(), source("ServiceMonitor"), read[monitoring.ServiceMonitorSpec](t, `{scrapeClass: fast, selector: {}, endpoints: [{port: m}, {port: n}]}`))
		},
		"PodMonitor": func() ([]job, error) {
			return tr.Pod(t.Context(), source("PodMonitor"), read[monitoring.PodMonitorSpec](t, `{scrapeClass: fast, selector: {}, podMetricsEndpoints: [{port: m}]}`))
		},
		"Probe": func() ([]job, error) {
			return tr.Probe(t.Context(), source("Probe"), read[monitoring.ProbeSpec](t, `{scrapeClass: fast, prober: {url: "prober:9115"}, targets: {staticConfig: {static: [a]}}}`))
		},
	} {
		jobs, err := make()
		if notes := tr.notes(); err != nil || len(jobs) == 0 || strings.Count(notes, `scrapeClass "fast"`) != 1 {
			t.Errorf("%s: %v, notes %q", kind, err, notes)
		}
	}
	if notes := tr.notes(); notes != "" {
		t.Errorf("noted again: %s", notes)
	}
}

func TestProbe(t *testing.T) {
	p, kubeconfig := newPrometheus(t)
	for url, want := range map[string]string{
		"prober:9115": "10.43.0.9:9115", "prober.shop.svc": "10.43.0.9:80", "prober.shop.svc.cluster.local:1": "10.43.0.9:1",
		"prober.bank:9115": "", "127.0.0.1:8080": "", "169.254.169.254": "", "away:80": "", "example.org": "", "observe.slipway.internal:80": "",
	} {
		spec := read[monitoring.ProbeSpec](t, `{module: http_2xx, prober: {url: "`+url+`"}, targets: {staticConfig: {static: [https://example.org], labels: {env: x, namespace: bank, __address__: "127.0.0.1:1"}}}}`)
		jobs, err := translator(kubeconfig).Probe(t.Context(), Source{"Probe", "shop", "site", true}, spec)
		if want == "" {
			if err == nil {
				t.Errorf("prober %s is taken: %v", url, jobs)
			}
			continue
		}
		if err != nil {
			t.Errorf("prober %s: %v", url, err)
			continue
		}
		c, err := Scrape(p, jobs[0])
		if err != nil {
			t.Fatal(err)
		}
		got := through(c, "__address__", "https://example.org", "namespace", "shop", "__param_module", "http_2xx")
		if got.Get("__address__") != want || got.Get("__param_target") != "https://example.org" || got.Get("instance") != "https://example.org" || got.Get("namespace") != "shop" {
			t.Errorf("prober %s: %s", url, got)
		}
	}
}

func TestRules(t *testing.T) {
	spec := read[monitoring.PrometheusRuleSpec](t, `
groups:
- name: g
  interval: 30s
  labels: {namespace: bank, team: red}
  rules:
  - {record: "x:sum", expr: sum(x), labels: {namespace: bank}}
  - {alert: A, expr: 'x{namespace="bank"} > 1', for: 5m, annotations: {summary: s}}
`)
	for _, confined := range []bool{true, false} {
		g, err := Rules(Source{"PrometheusRule", "shop", "r", confined}, spec, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(g.Groups)
		if confined != strings.Contains(g.Groups[0].Rules[0].Expr, `namespace="shop"`) || confined == strings.Contains(string(b), `"namespace":"bank"`) || g.Groups[0].Labels["team"] != "red" {
			t.Errorf("confined %v: %s", confined, b)
		}
		if confined && (g.Groups[0].Rules[0].Labels["namespace"] != "shop" || g.Groups[0].Rules[1].Labels["namespace"] != "shop") {
			t.Errorf("labels: %s", b)
		}
	}
	bad := read[monitoring.PrometheusRuleSpec](t, `groups: [{name: g, rules: [{record: x, expr: "sum("}]}]`)
	_, err := Rules(Source{"PrometheusRule", "shop", "r", true}, bad, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if err == nil || err.Error() != `group "g", rule 1, "x": could not parse expression: 1:5: parse error: unclosed left parenthesis` {
		t.Errorf("a broken query: %v", err)
	}
}

// refusing is a Prometheus that refused targets of jobs.
type refusing struct {
	Prometheus
	refused map[string]string
}

func (r refusing) Refusals() map[string]string { return r.refused }

// TestRefusedTargetsAreSaidOnTheirObject, once while that lasts.
func TestRefusedTargetsAreSaidOnTheirObject(t *testing.T) {
	client := fake.NewClientset()
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": Group + "/v1", "kind": "ServiceMonitor", "metadata": map[string]any{"name": "web", "namespace": "shop", "uid": "u"}}}
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	if err := store.Add(u); err != nil {
		t.Fatal(err)
	}
	p := refusing{refused: map[string]string{"servicemonitor/shop/web/0": "sample limit exceeded", "servicemonitor/shop/web/1": "sample limit exceeded", "kubelet": "body size limit exceeded"}}
	w := &Watcher{Prometheus: p, Log: slog.New(slog.DiscardHandler), stores: map[string]cache.Store{"servicemonitors": store}, made: map[string]Source{}}
	for i := range 2 {
		w.made[fmt.Sprintf("servicemonitor/shop/web/%d", i)] = Source{Kind: "ServiceMonitor", Namespace: "shop", Name: "web"}
	}
	said := func(want int) {
		t.Helper()
		w.look(t.Context(), client)
		if n := len(client.Actions()); n != want {
			t.Fatalf("%d events, want %d", n, want)
		}
		for _, a := range client.Actions() {
			e := a.(clienttesting.CreateAction).GetObject().(*corev1.Event)
			if e.Reason != "TargetRefused" || e.Message != "sample limit exceeded" || e.InvolvedObject.Name != "web" || e.InvolvedObject.UID != "u" || e.Namespace != "shop" {
				t.Errorf("%+v", e)
			}
		}
	}
	said(1)
	said(1)
	all := p.refused
	w.Prometheus = refusing{}
	said(1)
	w.Prometheus = refusing{refused: all}
	said(2) // again
}
