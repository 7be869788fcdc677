package monitors

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

// TestWhatPeopleHave are objects as the charts of kube-prometheus-stack, ingress-nginx,
// Bitnami and the documentation of the operator have them.
func TestWhatPeopleHave(t *testing.T) {
	p, kubeconfig := newPrometheus(t)
	for name, tc := range map[string]struct {
		kind, spec string
		open       bool
		check      func(t *testing.T, c *config.ScrapeConfig)
		notes, err string
	}{
		"basic auth from a Secret": {kind: "ServiceMonitor", spec: `{selector: {matchLabels: {app: web}}, endpoints: [{port: http, basicAuth: {username: {name: s, key: user}, password: {name: s, key: token}}}]}`,
			check: func(t *testing.T, c *config.ScrapeConfig) {
				if b := c.HTTPClientConfig.BasicAuth; b == nil || b.Username != "u" || string(b.Password) != "planted" {
					t.Errorf("%+v", b)
				}
			}},
		"a Secret that is not there": {kind: "ServiceMonitor", spec: `{selector: {}, endpoints: [{port: http, basicAuth: {username: {name: none, key: user}, password: {name: s, key: token}}}]}`, err: `endpoints[0]: secrets "none" not found`},
		"a key that is not there":    {kind: "PodMonitor", spec: `{selector: {}, podMetricsEndpoints: [{port: http, bearerTokenSecret: {name: s, key: none}}]}`, err: "podMetricsEndpoints[0]: secret s: no key none"},
		"TLS": {kind: "ServiceMonitor", spec: `{selector: {}, endpoints: [{port: https, scheme: HTTPS, tlsConfig: {insecureSkipVerify: true, serverName: web.shop.svc, minVersion: TLS13}}]}`,
			check: func(t *testing.T, c *config.ScrapeConfig) {
				if tls := c.HTTPClientConfig.TLSConfig; c.Scheme != "https" || !tls.InsecureSkipVerify || tls.ServerName != "web.shop.svc" || tls.MinVersion == 0 {
					t.Errorf("%s %+v", c.Scheme, tls)
				}
			}},
		"params, timing, limits": {kind: "PodMonitor", spec: `{selector: {}, sampleLimit: 500, targetLimit: 3, labelLimit: 30, podMetricsEndpoints: [{port: http, path: /federate, params: {"match[]": ["{a=\"b\"}"]}, interval: 1m, scrapeTimeout: 20s, honorTimestamps: false, trackTimestampsStaleness: true}]}`,
			check: func(t *testing.T, c *config.ScrapeConfig) {
				if c.Params.Get("match[]") != `{a="b"}` || c.ScrapeInterval != model.Duration(time.Minute) || c.ScrapeTimeout != model.Duration(20*time.Second) || c.HonorTimestamps || !c.TrackTimestampsStaleness || c.SampleLimit != 500 || c.TargetLimit != 3 || c.LabelLimit != 30 {
					t.Errorf("%+v", c)
				}
			}},
		"an interval alone": {kind: "PodMonitor", spec: `{selector: {}, podMetricsEndpoints: [{port: http, interval: 5s}]}`, check: func(t *testing.T, c *config.ScrapeConfig) {
			if c.ScrapeTimeout != model.Duration(5*time.Second) {
				t.Errorf("%s", c.ScrapeTimeout)
			}
		}},
		"longer than interval": {kind: "PodMonitor", spec: `{selector: {}, podMetricsEndpoints: [{port: http, interval: 10s, scrapeTimeout: 20s}]}`, err: "scrape timeout greater than scrape interval"},
		"protocols and histograms": {kind: "ServiceMonitor", spec: `{selector: {}, scrapeProtocols: [OpenMetricsText1.0.0], fallbackScrapeProtocol: OpenMetricsText1.0.0, scrapeClassicHistograms: true, nativeHistogramBucketLimit: 40, nativeHistogramMinBucketFactor: "1.5", keepDroppedTargets: 900, endpoints: [{port: http, enableHttp2: false}]}`,
			check: func(t *testing.T, c *config.ScrapeConfig) {
				if len(c.ScrapeProtocols) != 1 || c.ScrapeFallbackProtocol != config.OpenMetricsText1_0_0 || !*c.AlwaysScrapeClassicHistograms || c.NativeHistogramBucketLimit != 40 || c.NativeHistogramMinBucketFactor != 1.5 || c.KeepDroppedTargets != mostDropped || c.HTTPClientConfig.EnableHTTP2 {
					t.Errorf("%+v", c)
				}
			}},
		"relabelling": {kind: "ServiceMonitor", spec: `{selector: {}, targetLabels: [team], podTargetLabels: [version], endpoints: [{port: http,
				relabelings: [{sourceLabels: [__meta_kubernetes_pod_node_name], targetLabel: node}, {action: labeldrop, regex: endpoint}, {sourceLabels: [__meta_kubernetes_pod_name], regex: "(.*)-[a-z0-9]+", replacement: "$1", targetLabel: set}],
				metricRelabelings: [{action: keep, sourceLabels: [__name__], regex: "http_.*"}]}]}`,
			check: func(t *testing.T, c *config.ScrapeConfig) {
				got := through(c, "__address__", "10.42.0.5:80", "__meta_kubernetes_namespace", "shop", "__meta_kubernetes_endpointslice_port_name", "http", "__meta_kubernetes_pod_node_name", "n1",
					"__meta_kubernetes_pod_name", "web-abc12", "__meta_kubernetes_service_label_team", "red", "__meta_kubernetes_pod_label_version", "v2")
				for label, want := range map[string]string{"node": "n1", "endpoint": "", "set": "web", "team": "red", "version": "v2", "namespace": "shop"} {
					if got.Get(label) != want {
						t.Errorf("%s is %q, want %q", label, got.Get(label), want)
					}
				}
				if len(c.MetricRelabelConfigs) != 3 {
					t.Errorf("%d steps for samples", len(c.MetricRelabelConfigs))
				}
			}},
		"pods that are done": {kind: "PodMonitor", spec: `{selector: {}, podMetricsEndpoints: [{port: http, filterRunning: false}]}`,
			check: func(t *testing.T, c *config.ScrapeConfig) {
				if got := through(c, "__address__", "10.42.0.5:80", "__meta_kubernetes_namespace", "shop", "__meta_kubernetes_pod_container_port_name", "http", "__meta_kubernetes_pod_phase", "Succeeded"); got.IsEmpty() {
					t.Error("it is dropped")
				}
			}},
		"another namespace": {kind: "ServiceMonitor", spec: `{selector: {}, namespaceSelector: {matchNames: [bank]}, endpoints: [{port: http}]}`, err: "objects of namespace shop select nothing in namespace bank; put an object beside each, or have an administrator label"},
		"another one too":   {kind: "ServiceMonitor", spec: `{selector: {}, namespaceSelector: {matchNames: [shop, bank]}, endpoints: [{port: http}]}`, notes: "only what is in namespace shop is scraped"},
		"another one, and may": {kind: "ServiceMonitor", open: true, spec: `{selector: {}, namespaceSelector: {matchNames: [shop, bank]}, attachMetadata: {node: true}, endpoints: [{port: http, followRedirects: true}]}`, check: func(t *testing.T, c *config.ScrapeConfig) {
			if got := through(c, "__address__", "10.42.0.5:80", "__meta_kubernetes_namespace", "bank", "__meta_kubernetes_endpointslice_port_name", "http"); got.Get("namespace") != "bank" || !c.HTTPClientConfig.FollowRedirects {
				t.Errorf("%s %+v", got, c.HTTPClientConfig)
			}
		}},
		"labels of nodes":  {kind: "PodMonitor", spec: `{selector: {}, attachMetadata: {node: true}, podMetricsEndpoints: [{port: http, followRedirects: true}]}`, notes: "attachMetadata.node is not applied: labels of nodes are not told to objects of a namespace; followRedirects: redirects are not followed"},
		"the API server's": {kind: "ServiceMonitor", open: true, spec: `{jobLabel: component, namespaceSelector: {matchNames: [default]}, selector: {matchLabels: {component: apiserver}}, endpoints: [{bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token, port: https, scheme: https, tlsConfig: {caFile: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt, serverName: kubernetes}}]}`, err: "endpoints[0]: bearerTokenFile is a file of another program; use authorization.credentials (what Kubernetes itself runs is scraped without an object)"},
		"oauth2":           {kind: "ServiceMonitor", spec: `{selector: {}, endpoints: [{port: http, oauth2: {clientId: {secret: {name: s, key: user}}, clientSecret: {name: s, key: token}, tokenUrl: "http://127.0.0.1/"}}]}`, err: "oauth2 is not supported"},
		"a proxy":          {kind: "PodMonitor", spec: `{selector: {}, podMetricsEndpoints: [{port: http, proxyFromEnvironment: true}]}`, err: "proxyFromEnvironment"},
		"a probe of addresses": {kind: "Probe", spec: `{jobName: sites, interval: 30s, module: http_2xx, prober: {url: "prober.shop.svc:9115"}, targets: {staticConfig: {static: ["https://example.org"], labels: {env: prod}}}}`,
			check: func(t *testing.T, c *config.ScrapeConfig) {
				if got := through(c, "__address__", "https://example.org"); got.Get("__param_target") != "https://example.org" || got.Get("job") != "sites" || got.Get("__address__") != "10.43.0.9:9115" || c.Params.Get("module") != "http_2xx" || c.MetricsPath != "/probe" {
					t.Errorf("%s %+v", got, c)
				}
			}},
		"a probe of Ingresses": {kind: "Probe", spec: `{module: http_2xx, prober: {url: "prober:9115"}, targets: {ingress: {selector: {matchLabels: {probed: "yes"}}, namespaceSelector: {any: true}, relabelingConfigs: [{sourceLabels: [__meta_kubernetes_ingress_class_name], targetLabel: class}]}}}`, notes: "only what is in namespace shop",
			check: func(t *testing.T, c *config.ScrapeConfig) {
				ingress := []string{"__address__", "shop.example.org", "__meta_kubernetes_namespace", "shop", "__meta_kubernetes_ingress_name", "web", "__meta_kubernetes_ingress_scheme", "https", "__meta_kubernetes_ingress_path", "/cart",
					"__meta_kubernetes_ingress_label_probed", "yes", "__meta_kubernetes_ingress_labelpresent_probed", "true", "__meta_kubernetes_ingress_class_name", "nginx"}
				got := through(c, ingress...)
				for label, want := range map[string]string{"__address__": "10.43.0.9:9115", "__param_target": "https://shop.example.org/cart", "instance": "https://shop.example.org/cart", "ingress": "web", "namespace": "shop", "class": "nginx", "job": "probe/shop/it"} {
					if got.Get(label) != want {
						t.Errorf("%s is %q, want %q", label, got.Get(label), want)
					}
				}
				if ingress[3] = "bank"; !through(c, ingress...).IsEmpty() {
					t.Error("an Ingress of another namespace is probed")
				}
				if ingress[3], ingress[11] = "shop", "no"; !through(c, ingress...).IsEmpty() {
					t.Error("an Ingress that is not selected is probed")
				}
			}},
		"a probe of nothing": {kind: "Probe", spec: `{prober: {url: "prober:9115"}}`, err: "no targets"},
	} {
		t.Run(name, func(t *testing.T) {
			tr, s := translator(kubeconfig), Source{tc.kind, "shop", "it", !tc.open}
			var jobs []job
			var err error
			switch tc.kind {
			case "ServiceMonitor":
				jobs, err = tr.Service(t.Context(), s, read[monitoring.ServiceMonitorSpec](t, tc.spec))
			case "PodMonitor":
				jobs, err = tr.Pod(t.Context(), s, read[monitoring.PodMonitorSpec](t, tc.spec))
			case "Probe":
				jobs, err = tr.Probe(t.Context(), s, read[monitoring.ProbeSpec](t, tc.spec))
			}
			var c *config.ScrapeConfig
			if err == nil {
				c, err = Scrape(p, jobs[0])
			}
			if notes := tr.notes(); tc.notes == "" && notes != "" || !strings.Contains(notes, tc.notes) {
				t.Errorf("notes %q, want %q", notes, tc.notes)
			}
			switch {
			case tc.err != "":
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("%v, want %s", err, tc.err)
				}
			case err != nil:
				t.Error(err)
			case tc.check != nil:
				tc.check(t, c)
			}
		})
	}
}

// TestObjectsThatCannotBeUsedYet are tried again, and it is said again while that lasts.
func TestObjectsThatCannotBeUsedYet(t *testing.T) {
	p, kubeconfig := newPrometheus(t)
	client := fake.NewClientset()
	object := func(resource, kind, name, spec string) cache.Store {
		var m map[string]any
		if err := json.Unmarshal([]byte(spec), &m); err != nil {
			t.Fatal(err)
		}
		s := cache.NewStore(cache.MetaNamespaceKeyFunc)
		if err := s.Add(&unstructured.Unstructured{Object: map[string]any{"apiVersion": Group + "/v1", "kind": kind, "metadata": map[string]any{"name": name, "namespace": "shop"}, "spec": m}}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	none := func() cache.Store { return cache.NewStore(cache.MetaNamespaceKeyFunc) }
	w := &Watcher{Prometheus: p, Log: slog.New(slog.DiscardHandler), translator: Translator{Client: client, Kubeconfig: kubeconfig}, namespaces: none(), stores: map[string]cache.Store{
		"servicemonitors": object("servicemonitors", "ServiceMonitor", "web", `{"selector": {}, "endpoints": [{"port": "m", "authorization": {"credentials": {"name": "late", "key": "token"}}}]}`),
		"podmonitors":     object("podmonitors", "PodMonitor", "pods", `{"selector": {}, "scrapeClass": "fast", "podMetricsEndpoints": [{"port": "m"}]}`),
		"probes":          none(), "prometheusrules": none(),
	}}
	events := func() (all []string) {
		for _, a := range client.Actions() {
			if c, ok := a.(clienttesting.CreateAction); ok {
				if e, ok := c.GetObject().(*corev1.Event); ok {
					all = append(all, e.InvolvedObject.Name+" "+e.Reason)
				}
			}
		}
		return all
	}
	confined, _, _ := w.all(t.Context(), client)
	if got := events(); len(confined) != 1 || len(got) != 2 || !strings.Contains(strings.Join(got, ","), "web NotUsed") || !strings.Contains(strings.Join(got, ","), "pods PartlyUsed") {
		t.Fatalf("%d jobs, events %v", len(confined), got)
	}
	if !w.due(true, time.Now()) {
		t.Error("it is not tried again soon")
	}
	w.all(t.Context(), client)
	if got := events(); len(got) != 2 {
		t.Errorf("said twice: %v", got)
	}
	for s, e := range w.said {
		e.at = time.Now().Add(-repeat - time.Second)
		w.said[s] = e
	}
	w.all(t.Context(), client)
	if got := events(); len(got) != 4 {
		t.Errorf("not said again before it is forgotten: %v", got)
	}
	if _, err := client.CoreV1().Secrets("shop").Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "late"}, Data: map[string][]byte{"token": []byte("t")}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	confined, _, _ = w.all(t.Context(), client)
	if len(confined) != 2 || len(w.said) != 1 || w.due(true, time.Now()) {
		t.Errorf("%d jobs, said %v", len(confined), w.said)
	}
}
