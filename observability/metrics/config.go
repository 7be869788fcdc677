package metrics

import (
	"bytes"
	"text/template"
	"time"

	"slipway.dev/observability/selectors"
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
	// Self is the socket of this process, which has the figures of the node, of
	// Kubernetes' objects and its own; Node is the node's name. Buildkit is the socket
	// of BuildKit's figures; KubeProxy and Containerd are addresses. Empty ones are not
	// scraped.
	Self, Node, Buildkit  string
	KubeProxy, Containerd string
	// Machines are addresses besides those of nodes that nobody's own targets may have,
	// such as the API server's in the cluster.
	Machines []string
}

// Limits of a target that a user wrote. What goes over is not stored at all, and the
// target's page says which limit it was.
const (
	BodyLimit        = "16MB"
	SampleLimit      = 20_000
	LabelLimit       = 64
	LabelNameLimit   = 256
	LabelValueLimit  = 1024
	TargetLimit      = 500 // of one job
	scrapeTimeoutMax = 10 * time.Second
)

// The server process is scraped once; which component a series is of is in its name. The
// apiserver's histograms per resource and verb are most of what an idle cluster would
// store and nobody draws them: they are dropped, but for those that the shipped
// dashboards draw. Container series that name no container are sums of those that do.
var scrapeConfig = template.Must(template.New("prometheus.yml").Parse(`
global:
  scrape_interval: {{.Interval}}
  scrape_timeout: {{.Timeout}}
  extra_scrape_metrics: true
scrape_configs:
{{- define "tls"}}
  scheme: https
  tls_config: {ca_file: {{printf "%q" .CAFile}}, cert_file: {{printf "%q" .CertFile}}, key_file: {{printf "%q" .KeyFile}}}
{{- end}}
- job_name: slipway
  static_configs: [{targets: [{{printf "%q" .Server}}]}]
  authorization: {credentials_file: {{printf "%q" .TokenFile}}}
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: '(workqueue|rest_client|scheduler|etcd_(request|bookmark|lease)|endpoint_slice|root_ca|clustertrustbundle|garbagecollector|authentication|authorization|apiserver_request_(body|filter|slo)|apiserver_(encryption|storage|watch_(cache|list)|cache|delegated|client|response|longrunning|tls|webhooks|kube|authorization)).*_bucket|apiserver_(request_slo|request_sli|request_filter|response_sizes|watch_events|watch_list|watch_cache|storage_list|storage_events|storage_decode|flowcontrol|cel|audit|admission_(match|step|controller|webhook)|cache_list|init_events|selfrequest|terminated_watchers|validating|mutating|resource_size|stream).*|(go|process)_gc_.*|go_(cpu|godebug|sched|sync).*|leader_election.*|field_validation.*|hidden_metrics.*|registered_metrics.*|disabled_metrics.*|kubernetes_feature_enabled|node_authorizer.*|node_ipam.*|pod_security_evaluations.*|rest_client_(exec|rate|request_size|response_size|transport).*|running_managed_controllers|aggregator_.*|authentication_.*|ttl_after.*|prober.*|attachdetach.*|grpc_.*|etcd_bookmark.*|watch_cache_capacity.*|apiextensions_openapi.*|apiserver_(resource_objects|storage_transformation|request_body|request_timestamp|longrunning|registered)_.*|cardinality_.*'}
  - {action: drop, source_labels: [__name__, le], regex: 'apiserver_request_duration_seconds_bucket;(0\.005|0\.025|0\.15|0\.2|0\.3|0\.35|0\.4|0\.45|0\.6|0\.7|0\.8|0\.9|1\.25|1\.5|1\.75|3|3\.5|4\.5|6|7|8|9|15|20|25|40|50)(\.0)?'}
  - {action: replace, source_labels: [__name__], regex: '(apiserver|etcd|scheduler)_.*', target_label: job, replacement: '$1'}
  - {action: replace, source_labels: [__name__], regex: '(workqueue|node_collector|endpoint_slice|endpoint_slice_controller|cronjob_controller|job_controller|garbagecollector_controller|replicaset_controller|horizontal_pod_autoscaler_controller|persistentvolume|pv_collector|service_controller|storage_count|taint_eviction_controller|root_ca_cert_publisher|ephemeral_volume_controller|retroactive_storageclass)_.*', target_label: job, replacement: controller-manager}
  - {action: replace, source_labels: [__name__], regex: 'slipway_registry_.*', target_label: job, replacement: registry}
{{- if .Self}}
{{- range $job, $path := .Pages}}
- job_name: {{$job}}
  metrics_path: {{$path}}
  honor_labels: true
  static_configs: [{targets: [{{printf "%q" $.SelfHost}}], labels: {instance: {{printf "%q" $.Node}}, node: {{printf "%q" $.Node}}}}]
{{- if eq $job "kube-state-metrics"}}
  metric_relabel_configs:
  - {action: labeldrop, regex: 'uid|container_id|image_id|container_runtime_version|kubeproxy_version|provider_id|system_uuid|host_ip|host_network'}
{{- else if eq $job "observe"}}
  metric_relabel_configs:
  - {action: keep, source_labels: [__name__], regex: 'up|(process|go)_(cpu|memstats_(heap_inuse|sys)|resident|open_fds|goroutines|start).*|prometheus_(tsdb_(head_(series|samples_appended|chunks)|storage|compactions|wal_(corruptions|fsync_duration_seconds_sum)|lowest)|target_(scrape_pool_targets|scrapes_exceeded|sync_failed)|rule_(evaluation_failures|group_(iterations_missed|last_duration))|notifications|remote_storage|engine_queries|api_remote|sd_kubernetes_failures).*|alertmanager_(alerts|silences|notifications_(failed|total)|notification_latency_seconds_(sum|count)).*|slipway_.*'}
{{- end}}
{{- end}}
{{- end}}
{{- if .Buildkit}}
- job_name: buildkit
  static_configs: [{targets: [{{printf "%q" .BuildkitHost}}], labels: {instance: {{printf "%q" .Node}}, node: {{printf "%q" .Node}}}}]
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: 'go_(gc|godebug|cpu|sched|sync).*|rpc_.*_bucket'}
{{- end}}
{{- if .Containerd}}
- job_name: containerd
  metrics_path: /v1/metrics
  static_configs: [{targets: [{{printf "%q" .Containerd}}], labels: {instance: {{printf "%q" .Node}}, node: {{printf "%q" .Node}}}}]
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: 'container_.*|grpc_server_.*|.*_bucket|go_(gc|godebug|cpu|sched|sync).*'}
{{- end}}
{{- if .KubeProxy}}
- job_name: kube-proxy
  static_configs: [{targets: [{{printf "%q" .KubeProxy}}], labels: {instance: {{printf "%q" .Node}}, node: {{printf "%q" .Node}}}}]
  metric_relabel_configs:
  - {action: keep, source_labels: [__name__], regex: '(process_(cpu|resident|open).*|kubeproxy_(sync_proxy_rules_(duration_seconds_(sum|count)|last.*|nftables_sync_failures_total|iptables.*)|network_programming_duration_seconds_(sum|count)))'}
{{- end}}
- job_name: kubelet
  kubernetes_sd_configs: [{role: node, kubeconfig_file: {{printf "%q" .Kubeconfig}}}]
{{- template "tls" .}}
  relabel_configs:
  - {source_labels: [__meta_kubernetes_node_name], target_label: node}
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: '(apiserver|authentication|authorization|aggregator|workqueue|rest_client|storage_operation|kubelet_runtime_operations|kubelet_http|csi_|hidden_metrics|registered_metrics|disabled_metrics|kubernetes_feature|plugin_manager|reconstruct|prober_probe_duration|volume_operation|go_gc|go_sched|go_cpu|go_godebug|go_sync|cardinality|field_validation|kubernetes_build|kubelet_(cgroup|image_garbage|memory_manager|orphan|restarted_pods|server_expiration|topology|admission|first_network|container_log_filesystem|lifecycle_handler|mirror|preemptions|active_pods|desired_pods|working_pods|device|cpu_manager|credential_provider|image_pull|image_volume|sleep|started_containers_errors|started_host)).*|kubelet_(pod_start_sli|pleg_relist|pod_worker|pod_status_sync|pod_startup|run_podsandbox|evented_pleg|pod_start_total|podcertificate|dra).*_bucket'}
- job_name: kubelet-resource
  metrics_path: /metrics/resource
  kubernetes_sd_configs: [{role: node, kubeconfig_file: {{printf "%q" .Kubeconfig}}}]
{{- template "tls" .}}
  relabel_configs:
  - {source_labels: [__meta_kubernetes_node_name], target_label: node}
  metric_relabel_configs:
  - {action: keep, source_labels: [__name__], regex: 'node_(cpu_usage_seconds_total|memory_working_set_bytes)'}
- job_name: cadvisor
  metrics_path: /metrics/cadvisor
  kubernetes_sd_configs: [{role: node, kubeconfig_file: {{printf "%q" .Kubeconfig}}}]
{{- template "tls" .}}
  relabel_configs:
  - {source_labels: [__meta_kubernetes_node_name], target_label: node}
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: 'container_(tasks_state|memory_(failures_total|failcnt|kernel_usage|mapped_file|swap|max_usage_bytes|total.*)|cpu_(load.*|system.*|user.*)|fs_(io_.*|sector.*|read_seconds.*|write_seconds.*|inodes.*|reads_merged.*|writes_merged.*|limit_bytes)|blkio.*|file_descriptors|last_seen|sockets|threads_max|ulimits_soft|spec_(memory_(reservation|swap).*|cpu_shares)|network_(tcp|udp|advance).*|pressure.*|hugetlb.*|referenced_bytes)|machine_(nvm|swap|dimm|scrape|cpu_(physical|sockets)).*|cadvisor_.*'}
  - {action: drop, source_labels: [__name__, container, image], regex: 'container_.*;;'}
  # The image stays: what people bring along tells containers from their pods by image!="".
  - {action: labeldrop, regex: 'id|name|boot_id|machine_id|system_uuid'}
- job_name: coredns
  kubernetes_sd_configs: [{role: pod, kubeconfig_file: {{printf "%q" .Kubeconfig}}}]
  relabel_configs:
  - {action: keep, source_labels: [__meta_kubernetes_namespace, __meta_kubernetes_pod_label_k8s_app, __meta_kubernetes_pod_container_port_name], regex: 'kube-system;kube-dns;metrics'}
  - {action: keep, source_labels: [__meta_kubernetes_pod_phase], regex: Running}
  - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
  - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: 'go_(gc|godebug|cpu|sched|sync).*|coredns_(dns_(request|response)_size_bytes|health_request_duration_seconds|proxy_request_duration_seconds|plugin_enabled|kubernetes_dns_programming).*|coredns_.*_bucket'}
{{- range $job, $which := .Annotated}}
- job_name: {{$job}}
  kubernetes_sd_configs: [{role: pod, kubeconfig_file: {{printf "%q" $.Kubeconfig}}}]
  fallback_scrape_protocol: PrometheusText0.0.4
  follow_redirects: false
{{- template "limits" $}}
  relabel_configs:
  - {action: keep, source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], regex: 'true'}
  - {action: {{$which}}, source_labels: [__meta_kubernetes_pod_ip], target_label: __meta_kubernetes_pod_host_ip}
  - {target_label: job, replacement: pods}
  - {action: keep, source_labels: [__meta_kubernetes_pod_phase], regex: Running}
  - {action: drop, source_labels: [__meta_kubernetes_pod_container_init], regex: 'true'}
  - {action: replace, source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path], target_label: __metrics_path__, regex: '(.+)'}
  - {action: replace, source_labels: [__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_prometheus_io_port], separator: ':', target_label: __address__, regex: '([0-9.]+:[0-9]+)'}
  - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
  - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
  - {source_labels: [__meta_kubernetes_pod_label_slipway_dev_application], target_label: application}
  - {source_labels: [__meta_kubernetes_pod_label_slipway_dev_release], target_label: release}
  - {source_labels: [__meta_kubernetes_namespace], target_label: {{$.Origin}}}
{{- end}}
{{- define "limits"}}
  sample_limit: {{.SampleLimit}}
  body_size_limit: {{.BodyLimit}}
  label_limit: {{.LabelLimit}}
  label_name_length_limit: {{.LabelNameLimit}}
  label_value_length_limit: {{.LabelValueLimit}}
  target_limit: {{.TargetLimit}}
{{- end}}
`))

// pages of this process by the job that scrapes them.
var pages = map[string]string{"node": "/figures/node", "kube-state-metrics": "/figures/objects", "observe": "/figures/self"}

// annotated are the jobs of pods that ask by annotations. Pods of the node's network, which
// only administrators start, have an address of a machine.
var annotated = map[string]string{podsJob: "dropequal", "host-pods": "keepequal"}

// render is the configuration in Prometheus' own form.
func (t Targets) render() (string, error) {
	var b bytes.Buffer
	err := scrapeConfig.Execute(&b, struct {
		Targets
		Timeout                                                               time.Duration
		Pages, Annotated                                                      map[string]string
		SelfHost, BuildkitHost, BodyLimit                                     string
		Origin                                                                string
		SampleLimit, LabelLimit, LabelNameLimit, LabelValueLimit, TargetLimit int
	}{
		t, min(t.Interval, scrapeTimeoutMax), pages, annotated, selfHost, buildkitHost,
		BodyLimit, selectors.OriginLabel, SampleLimit, LabelLimit, LabelNameLimit, LabelValueLimit, TargetLimit,
	})
	return b.String(), err
}
