package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	api "slipway.dev/cluster/api/v1alpha1"
)

// TestLogsOutliveTheirPods finds a pod's line after the pod was deleted, and a job's: in
// the log of its attempt, and by a search.
func TestLogsOutliveTheirPods(t *testing.T) {
	together(t)
	r := newRepo(t, "outlived", map[string]string{".gitlab-ci.yml": "say: {image: busybox, script: [echo a-word-of-a-job]}\n"})
	r.push()
	r.succeeded()
	must(t, "kubectl", "delete", "taskruns.tekton.dev,pods", "-l", api.LabelRun+"="+r.run(), "--wait=true", "--grace-period=1")
	if log := r.log("say"); !strings.Contains(log, "a-word-of-a-job") {
		t.Errorf("the job's log is gone with its pod: %s", log)
	}
	eventually(t, func() error {
		out := must(t, "logs", "a-word-of-a-job", "-o", "json")
		for line := range strings.Lines(out) {
			var row map[string]string
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				return err
			}
			if strings.HasPrefix(row["pod"], r.run()+"-say") && strings.Contains(row["_msg"], "a-word-of-a-job") {
				return nil
			}
		}
		return fmt.Errorf("no search finds the job's line: %s", out)
	})

	must(t, "kubectl", "run", "talker", "--image=busybox", "--restart=Never", "--command", "--", "sh", "-c", "echo a-planted-word; sleep 1")
	eventually(t, func() error {
		if out := must(t, "logs", "a-planted-word"); !strings.Contains(out, "talker/talker a-planted-word") {
			return fmt.Errorf("not found: %s", out)
		}
		return nil
	})
	// The same line by the Elasticsearch API, with what is known of its pod; who made the
	// pod is in the audit log.
	for _, query := range []string{
		`/elastic/logs-pods-default/_count?q=` + url.QueryEscape(`message:"a-word-of-a-job" AND job:say AND _exists_:commit AND run:`+r.run()),
		`/elastic/logs-pods-default/_count?q=` + url.QueryEscape(`message:"a-planted-word" AND pod:talker AND labels.run:talker AND _exists_:node`),
		`/elastic/logs-audit-kube-system/_count?q=` + url.QueryEscape(`audit.verb:create AND audit.name:talker AND audit.resource:pods`),
		`/elastic/logs-slipway-kube-system/_count?q=container:kubelet`,
	} {
		eventually(t, func() error {
			var answer struct{ Count int }
			if err := user.Call(t.Context(), "GET", query, nil, &answer); err != nil || answer.Count == 0 {
				return fmt.Errorf("%s: %d, %v", query, answer.Count, err)
			}
			return nil
		})
	}
	if out, err := slipway(t, "logs", "a-planted-word", "--from", "elasticsearch"); err == nil || !strings.Contains(out, "no Elasticsearch is configured") {
		t.Errorf("read from an Elasticsearch that there is none of: %s %v", out, err)
	}
	must(t, "kubectl", "delete", "pod", "talker", "--wait=true", "--grace-period=1")
	if out := must(t, "logs", "--pod", "talker"); !strings.Contains(out, "a-planted-word") {
		t.Errorf("gone with its pod: %s", out)
	}
	if out := must(t, "-n", "kube-system", "logs", "a-planted-word"); strings.Contains(out, "a-planted-word") {
		t.Errorf("another namespace shows it: %s", out)
	}
}

// TestMetrics asks the embedded Prometheus for a series of each kind of target.
func TestMetrics(t *testing.T) {
	together(t)
	r := newRepo(t, "measured", map[string]string{"deploy/web.yaml": strings.NewReplacer(
		"metadata: {labels: {app: measured}}", `metadata: {labels: {app: measured}, annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8080", prometheus.io/path: /planted}}`,
		"echo started; exec httpd -f -p 8080", "mkdir /w; echo planted_metric 7 > /w/planted; exec httpd -f -p 8080 -h /w").Replace(manifest("measured"))})
	r.push()
	for _, query := range []string{
		`apiserver_request_total{job="apiserver"}`, `etcd_mvcc_db_total_size_in_bytes{job="etcd"}`, `scheduler_pending_pods{job="scheduler"}`,
		`workqueue_depth{job="controller-manager"}`, `kubelet_running_pods{job="kubelet"}`, `container_memory_working_set_bytes{namespace="kube-system"}`,
		`node_memory_MemAvailable_bytes{job="node"}`, `kube_pod_info{job="kube-state-metrics",namespace="kube-system",pod=~"coredns-.*"}`,
		`coredns_dns_requests_total{job="coredns"} or coredns_build_info`, `slipway_registry_requests_total{job="registry"}`,
		`count(up{job=~"slipway|observe|node|kube-state-metrics|kubelet|cadvisor|coredns|containerd|buildkit|kube-proxy"} == 1) == 10`,
		`planted_metric{job="pods",namespace="default",pod=~"measured-.*"} == 7`,
	} {
		eventually(t, func() error {
			var answer struct {
				Data struct{ Result []any }
			}
			if err := user.Call(t.Context(), "GET", "/prometheus/api/v1/query?query="+url.QueryEscape(query), nil, &answer); err != nil {
				return err
			}
			if len(answer.Data.Result) == 0 {
				return fmt.Errorf("%s: no series", query)
			}
			return nil
		})
	}
}

// TestTopAndAutoscaler asks for what pods use as kubectl does, and lets an autoscaler do so.
func TestTopAndAutoscaler(t *testing.T) {
	together(t)
	must(t, "kubectl", "create", "deployment", "scaled", "--image=busybox", "--", "sh", "-c", "while true; do :; done")
	cleanUp(t, "kubectl", "delete", "deployment,hpa", "scaled", "--ignore-not-found")
	must(t, "kubectl", "set", "resources", "deployment/scaled", "--requests=cpu=20m", "--limits=cpu=60m")
	must(t, "kubectl", "autoscale", "deployment/scaled", "--cpu=50%", "--min=1", "--max=2")
	eventually(t, func() error {
		if out, err := slipway(t, "kubectl", "top", "pods", "-l", "app=scaled"); err != nil || !strings.Contains(out, "scaled-") {
			return fmt.Errorf("kubectl top pods: %v %s", err, out)
		}
		return nil
	})
	if out := must(t, "kubectl", "top", "nodes"); !strings.Contains(out, "%") {
		t.Errorf("kubectl top nodes: %s", out)
	}
	eventually(t, func() error {
		if out := must(t, "kubectl", "get", "deployment/scaled", "-o", "jsonpath={.spec.replicas}"); out != "2" {
			return fmt.Errorf("%s replicas: %s", out, must(t, "kubectl", "describe", "hpa", "scaled"))
		}
		return nil
	})
}

// TestAlertsAndSilences sees the shipped rules at work, and silences within a namespace.
func TestAlertsAndSilences(t *testing.T) {
	together(t)
	eventually(t, func() error {
		if out := must(t, "query", `node:node_memory_utilisation:ratio`); !strings.Contains(out, "node") {
			return fmt.Errorf("nothing is recorded: %s", out)
		}
		return nil
	})
	if out := must(t, "query", `prometheus_rule_evaluation_failures_total > 0`); strings.Contains(out, "rule_group") {
		t.Errorf("rules fail: %s", out)
	}
	id := strings.TrimSpace(must(t, "silence", "add", "alertname=Planted", "pod=~web-.*", "--comment", "known"))
	if out := must(t, "silence", "list"); !strings.Contains(out, id) || !strings.Contains(out, "namespace=default") || !strings.Contains(out, "pod=~web-.*") {
		t.Errorf("silences: %s", out)
	}
	if out := must(t, "-n", "kube-system", "silence", "list"); strings.Contains(out, id) {
		t.Errorf("another namespace has the silence: %s", out)
	}
	if _, err := slipway(t, "-n", "kube-system", "silence", "delete", id); err == nil {
		t.Error("another namespace ends the silence")
	}
	token := strings.TrimSpace(must(t, "token", "create", "onlooker", "--role", "slipway-viewer"))
	for method, path := range map[string]string{"POST": "/api/v1/namespaces/default/silences", "DELETE": "/api/v1/namespaces/default/silences/" + id, "GET": "/alertmanager/api/v2/alerts"} {
		if got := status(t, method, user.Server+path, token); got != 403 {
			t.Errorf("%s %s as a viewer: %d", method, path, got)
		}
	}
	if got := status(t, "GET", user.Server+"/api/v1/namespaces/default/alerts", token); got != 200 {
		t.Errorf("a viewer may not see alerts: %d", got)
	}
	must(t, "silence", "delete", id)
	must(t, "alerts")
}

// TestMonitorsAndRules has an application's objects of the Prometheus Operator at work, and
// one that asks for too much refused by name.
func TestMonitorsAndRules(t *testing.T) {
	together(t)
	cleanUp(t, "kubectl", "delete", "deployment,service,endpointslice,servicemonitor,podmonitor,prometheusrule", "-l", "made-by=monitored", "--ignore-not-found")
	file := filepath.Join(t.TempDir(), "objects.yaml")
	text := `
apiVersion: apps/v1
kind: Deployment
metadata: {name: monitored, labels: {made-by: monitored}}
spec:
  selector: {matchLabels: {app: monitored}}
  template:
    metadata: {labels: {app: monitored}}
    spec:
      containers:
      - {name: web, image: busybox, command: [sh, -c, "mkdir /w; echo 'monitored_metric{namespace=\"kube-system\"} 7' > /w/metrics; echo 'kube_node_status_condition{node=\"forged\",condition=\"Ready\",status=\"true\",slipway_source=\"\"} 0' >> /w/metrics; exec httpd -f -p 8080 -h /w"], ports: [{name: metrics, containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: monitored, labels: {made-by: monitored, app: monitored}}
spec: {selector: {app: monitored}, ports: [{name: metrics, port: 80, targetPort: metrics}]}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: monitored, labels: {made-by: monitored}}
spec: {selector: {matchLabels: {app: monitored}}, endpoints: [{port: metrics, interval: 5s, honorLabels: true, relabelings: [{targetLabel: job, replacement: kube-state-metrics}, {targetLabel: slipway_source, replacement: ""}], metricRelabelings: [{action: labeldrop, regex: "slipway_.*"}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: away, labels: {made-by: monitored, app: away}}
spec: {ports: [{name: metrics, port: 443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: away, labels: {made-by: monitored, kubernetes.io/service-name: away}}
addressType: IPv4
endpoints: [{addresses: [10.43.0.1], conditions: {ready: true}}]
ports: [{name: metrics, port: 443}]
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: away, labels: {made-by: monitored}}
spec: {selector: {matchLabels: {app: away}}, endpoints: [{port: metrics, interval: 5s}]}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: greedy, labels: {made-by: monitored}}
spec: {selector: {matchLabels: {app: monitored}}, podMetricsEndpoints: [{port: metrics, relabelings: [{targetLabel: __address__, replacement: "127.0.0.1:8080"}]}]}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: monitored, labels: {made-by: monitored}}
spec:
  groups:
  - name: monitored
    interval: 5s
    rules:
    - {record: "monitored:sum", expr: "sum(monitored_metric)"}
    - {record: "monitored:stolen", expr: "count({namespace=\"kube-system\"})"}
    - {alert: MonitoredAlert, expr: "monitored_metric == 7", annotations: {summary: planted}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "kubectl", "apply", "-f", file)
	eventually(t, func() error {
		if out := must(t, "query", `monitored:sum{namespace="default"} == 7`); !strings.Contains(out, "monitored:sum") {
			return fmt.Errorf("nothing is recorded: %s %s", out, must(t, "query", "monitored_metric"))
		}
		if out := must(t, "alerts"); !strings.Contains(out, "MonitoredAlert") || !strings.Contains(out, "planted") {
			return fmt.Errorf("no alert: %s", out)
		}
		if out := must(t, "kubectl", "describe", "podmonitor", "greedy"); !strings.Contains(out, "__address__") || !strings.Contains(out, "NotUsed") {
			return fmt.Errorf("no event: %s", out)
		}
		if out := must(t, "kubectl", "describe", "servicemonitor", "away"); !strings.Contains(out, "TargetRefused") || !strings.Contains(out, "10.43.0.1 is an address of a machine") {
			return fmt.Errorf("no event of a target: %s", out)
		}
		return nil
	})
	if out := must(t, "query", `monitored_metric{namespace="kube-system"} or monitored:stolen`); strings.Contains(out, "monitored") {
		t.Errorf("reaches another namespace: %s", out)
	}
	// It calls a series as Kubernetes' own, with its job, and is not taken for it.
	if out := must(t, "query", `kube_node_status_condition{node="forged", slipway_source="default"}`); !strings.Contains(out, "forged") {
		t.Errorf("the forged series: %s", out)
	}
	if out := must(t, "query", `{node="forged", slipway_source=""}`); strings.Contains(out, "forged") {
		t.Errorf("passes for ours: %s", out)
	}
}
