package metrics

import (
	"bytes"
	"text/template"
	"time"
)

// Targets says what is scraped and with which identity.
type Targets struct {
	// Interval between two scrapes of a target.
	Interval time.Duration
	// Kubeconfig that discovers nodes and pods.
	Kubeconfig string
	// CAFile, CertFile and KeyFile authenticate to kubelets.
	CAFile, CertFile, KeyFile string
	// Server is host:port of Slipway's own /metrics in plain HTTP on loopback, and
	// TokenFile holds the token that may read it. API server, etcd, controllers and
	// scheduler are of that process and in that answer.
	Server, TokenFile string
}

// The apiserver's histograms per resource and verb are most of what an idle
// cluster would store and nobody draws them: they are dropped. Container
// series that name no container are sums of those that do.
var scrapeConfig = template.Must(template.New("prometheus.yml").Parse(`
global:
  scrape_interval: {{.Interval}}
  scrape_timeout: {{.Interval}}
scrape_configs:
{{- define "tls"}}
  scheme: https
  tls_config: {ca_file: {{printf "%q" .CAFile}}, cert_file: {{printf "%q" .CertFile}}, key_file: {{printf "%q" .KeyFile}}}
{{- end}}
- job_name: slipway
  static_configs: [{targets: [{{printf "%q" .Server}}]}]
  authorization: {credentials_file: {{printf "%q" .TokenFile}}}
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: '(apiserver|etcd|workqueue|rest_client|scheduler)_.*_bucket|apiserver_(request_slo|response_sizes|watch_events|storage_list|flowcontrol|cel|audit|admission).*'}
  - {action: replace, source_labels: [__name__], regex: '(apiserver|etcd|scheduler)_.*', target_label: job, replacement: '$1'}
- job_name: kubelet
  kubernetes_sd_configs: [{role: node, kubeconfig_file: {{printf "%q" .Kubeconfig}}}]
{{- template "tls" .}}
  relabel_configs:
  - {source_labels: [__meta_kubernetes_node_name], target_label: node}
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: '(apiserver|workqueue|rest_client|storage_operation|kubelet_runtime_operations|kubelet_http).*'}
- job_name: cadvisor
  metrics_path: /metrics/cadvisor
  kubernetes_sd_configs: [{role: node, kubeconfig_file: {{printf "%q" .Kubeconfig}}}]
{{- template "tls" .}}
  relabel_configs:
  - {source_labels: [__meta_kubernetes_node_name], target_label: node}
  metric_relabel_configs:
  - {action: drop, source_labels: [container, image], regex: ';'}
  - {action: labeldrop, regex: 'id|name|image'}
- job_name: pods
  kubernetes_sd_configs: [{role: pod, kubeconfig_file: {{printf "%q" .Kubeconfig}}}]
  fallback_scrape_protocol: PrometheusText0.0.4
  sample_limit: 20000
  body_size_limit: 16MB
  label_limit: 64
  relabel_configs:
  - {action: keep, source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], regex: 'true'}
  - {action: keep, source_labels: [__meta_kubernetes_pod_phase], regex: Running}
  - {action: replace, source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path], target_label: __metrics_path__, regex: '(.+)'}
  - {action: replace, source_labels: [__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_prometheus_io_port], separator: ':', target_label: __address__, regex: '([0-9.]+:[0-9]+)'}
  - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
  - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
  - {source_labels: [__meta_kubernetes_pod_label_slipway_dev_application], target_label: application}
  - {source_labels: [__meta_kubernetes_pod_label_slipway_dev_release], target_label: release}
`))

// render is the configuration in Prometheus' own form.
func (t Targets) render() (string, error) {
	var b bytes.Buffer
	err := scrapeConfig.Execute(&b, t)
	return b.String(), err
}
