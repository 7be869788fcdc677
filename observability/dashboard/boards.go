package dashboard

// boards are what ships. Queries use recorded series where there are some.
func boards() []board {
	return []board{cluster(), node(), namespace(), workload(), application(), pipelines(), gitops(), registry(), logsBoard(), slipway()}
}

func cluster() board {
	return board{name: "cluster", title: "Slipway / Cluster", about: "The cluster at a glance: nodes, pods, the API server, etcd and DNS.", rows: []row{
		{"Now", []panel{
			one(number, "Nodes ready", "short", `sum(kube_node_status_condition{condition="Ready",status="true"})`, ""),
			one(number, "Pods running", "short", `sum(kube_pod_status_phase{phase="Running"})`, ""),
			one(number, "Pods not ready", "short", `sum(kube_pod_status_phase{phase=~"Pending|Failed|Unknown"})`, "").beyond(1, 5),
			one(number, "Alerts that fire", "short", `count(ALERTS{alertstate="firing"}) or vector(0)`, "").beyond(1, 10),
			one(dial, "Processors", "percentunit", `avg(node:node_cpu_utilisation:ratio_rate5m)`, "").beyond(0.8, 0.95),
			one(dial, "Memory", "percentunit", `avg(node:node_memory_utilisation:ratio)`, "").beyond(0.8, 0.92),
			one(dial, "etcd's quota", "percentunit", `max(etcd_mvcc_db_total_size_in_bytes / etcd_server_quota_backend_bytes)`, "").beyond(0.6, 0.8),
			one(dial, "Failed API requests", "percentunit", `max(job:apiserver_request_errors:ratio_rate5m)`, "").beyond(0.01, 0.05),
		}},
		{"Namespaces", []panel{
			one(lines, "Processors by namespace", "short", `namespace:container_cpu_usage_seconds:rate5m`, "{{namespace}}"),
			one(lines, "Memory by namespace", "bytes", `namespace:container_memory_working_set_bytes:sum`, "{{namespace}}"),
		}},
		{"Control plane", []panel{
			one(lines, "API requests", "reqps", `sum by (verb) (rate(apiserver_request_total[$__rate_interval]))`, "{{verb}}"),
			one(lines, "API requests, 99th percentile", "s", `verb:apiserver_request_duration_seconds:p99_rate5m`, "{{verb}}"),
			one(lines, "etcd fsync, 99th percentile", "s", `histogram_quantile(0.99, sum by (le) (rate(etcd_disk_wal_fsync_duration_seconds_bucket[$__rate_interval])))`, "fsync").beyond(0.1, 0.5),
			one(lines, "Answers of DNS", "reqps", `sum by (rcode) (rate(coredns_dns_responses_total[$__rate_interval]))`, "{{rcode}}"),
			one(lines, "Work that waits", "short", `topk(10, workqueue_depth > 0)`, "{{name}}"),
			one(list, "Targets that are down", "short", `up == 0`, ""),
		}},
	}}
}

func node() board {
	const n = `node=~"$node"`
	return board{name: "node", title: "Slipway / Node", about: "One machine: processors, memory, disks and network.",
		variables: []variable{{"node", `label_values(kube_node_info, node)`}}, rows: []row{
			{"Now", []panel{
				one(dial, "Processors", "percentunit", `node:node_cpu_utilisation:ratio_rate5m{`+n+`}`, "").beyond(0.8, 0.95),
				one(dial, "Memory", "percentunit", `node:node_memory_utilisation:ratio{`+n+`}`, "").beyond(0.8, 0.92),
				one(dial, "Fullest disk", "percentunit", `max(node_mountpoint:node_filesystem_utilisation:ratio{`+n+`})`, "").beyond(0.75, 0.9),
				one(number, "Load", "short", `node_load1{`+n+`}`, ""),
			}},
			{"Over time", []panel{
				one(lines, "Processors", "short", `sum by (mode) (rate(node_cpu_seconds_total{`+n+`,mode!="idle"}[$__rate_interval]))`, "{{mode}}"),
				{kind: lines, title: "Memory", unit: "bytes", queries: []query{
					{`node_memory_MemTotal_bytes{` + n + `} - node_memory_MemAvailable_bytes{` + n + `}`, "used"}, {`node_memory_Cached_bytes{` + n + `}`, "cache"}, {`node_memory_MemTotal_bytes{` + n + `}`, "all"},
				}},
				one(lines, "Disks filled", "percentunit", `node_mountpoint:node_filesystem_utilisation:ratio{`+n+`}`, "{{mountpoint}}").beyond(0.75, 0.9),
				{kind: lines, title: "Disks read and written", unit: "Bps", queries: []query{
					{`sum by (device) (rate(node_disk_read_bytes_total{` + n + `}[$__rate_interval]))`, "{{device}} read"}, {`sum by (device) (rate(node_disk_written_bytes_total{` + n + `}[$__rate_interval]))`, "{{device}} written"},
				}},
				{kind: lines, title: "Network", unit: "Bps", queries: []query{
					{`sum by (device) (rate(node_network_receive_bytes_total{` + n + `}[$__rate_interval]))`, "{{device}} in"}, {`sum by (device) (rate(node_network_transmit_bytes_total{` + n + `}[$__rate_interval]))`, "{{device}} out"},
				}},
				one(lines, "Containers", "short", `sum by (container_state) (kubelet_running_containers{`+n+`})`, "{{container_state}}"),
			}},
		}}
}

var inNamespace = variable{"namespace", `label_values(kube_namespace_status_phase, namespace)`}

func namespace() board {
	const ns = `namespace=~"$namespace"`
	return board{name: "namespace", title: "Slipway / Namespace", about: "What runs in a namespace and what it uses.", variables: []variable{inNamespace}, rows: []row{
		{"Now", []panel{
			one(number, "Pods running", "short", `sum(kube_pod_status_phase{`+ns+`,phase="Running"})`, ""),
			one(number, "Pods not ready", "short", `sum(kube_pod_status_phase{`+ns+`,phase=~"Pending|Failed|Unknown"})`, "").beyond(1, 5),
			one(number, "Restarts in an hour", "short", `sum(increase(kube_pod_container_status_restarts_total{`+ns+`}[1h]))`, "").beyond(1, 10),
			one(number, "Alerts that fire", "short", `count(ALERTS{`+ns+`,alertstate="firing"}) or vector(0)`, "").beyond(1, 5),
		}},
		{"Use", []panel{
			one(lines, "Processors by pod", "short", `sum by (pod) (rate(container_cpu_usage_seconds_total{job="cadvisor",container!="",`+ns+`}[$__rate_interval]))`, "{{pod}}"),
			one(lines, "Memory by pod", "bytes", `sum by (pod) (container_memory_working_set_bytes{job="cadvisor",container!="",`+ns+`})`, "{{pod}}"),
			{kind: lines, title: "Network", unit: "Bps", queries: []query{
				{`sum(rate(container_network_receive_bytes_total{` + ns + `}[$__rate_interval]))`, "in"}, {`sum(rate(container_network_transmit_bytes_total{` + ns + `}[$__rate_interval]))`, "out"},
			}},
			one(list, "Quotas", "percentunit", `max by (resourcequota, resource) (kube_resourcequota{`+ns+`,type="used"}) / (max by (resourcequota, resource) (kube_resourcequota{`+ns+`,type="hard"}) > 0)`, ""),
		}},
	}}
}

func workload() board {
	const ns, d = `namespace=~"$namespace"`, `namespace=~"$namespace",deployment=~"$deployment"`
	const pods = `namespace=~"$namespace",pod=~"$deployment-.*",container!=""`
	return board{name: "workload", title: "Slipway / Workload", about: "One Deployment: its pods, what they use and what limits them.",
		variables: []variable{inNamespace, {"deployment", `label_values(kube_deployment_spec_replicas{` + ns + `}, deployment)`}}, rows: []row{
			{"Pods", []panel{
				{kind: lines, title: "Replicas", unit: "short", queries: []query{{`kube_deployment_spec_replicas{` + d + `}`, "wanted"}, {`kube_deployment_status_replicas_available{` + d + `}`, "available"}}},
				one(lines, "Restarts", "short", `sum by (pod) (increase(kube_pod_container_status_restarts_total{`+pods+`}[5m]))`, "{{pod}}"),
			}},
			{"Use", []panel{
				{kind: lines, title: "Processors", unit: "short", queries: []query{
					{`sum by (pod) (rate(container_cpu_usage_seconds_total{job="cadvisor",` + pods + `}[$__rate_interval]))`, "{{pod}}"},
					{`max(kube_pod_container_resource_limits{resource="cpu",` + pods + `})`, "limit"}, {`max(kube_pod_container_resource_requests{resource="cpu",` + pods + `})`, "request"},
				}},
				{kind: lines, title: "Memory", unit: "bytes", queries: []query{
					{`sum by (pod) (container_memory_working_set_bytes{job="cadvisor",` + pods + `})`, "{{pod}}"},
					{`max(kube_pod_container_resource_limits{resource="memory",` + pods + `})`, "limit"}, {`max(kube_pod_container_resource_requests{resource="memory",` + pods + `})`, "request"},
				}},
				one(lines, "Waits for its CPU limit", "percentunit", `sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{`+pods+`}[$__rate_interval])) / sum by (pod) (rate(container_cpu_cfs_periods_total{`+pods+`}[$__rate_interval]))`, "{{pod}}").beyond(0.25, 0.5),
			}},
		}}
}

func application() board {
	const app = `namespace=~"$namespace",application=~"$application"`
	return board{name: "application", title: "Slipway / Application", about: "One application: its releases and what it uses, with its releases marked.",
		variables: []variable{inNamespace, {"application", `label_values(slipway_releases_total{namespace=~"$namespace"}, application)`}}, rows: []row{
			{"Delivery", []panel{
				one(number, "Healthy releases in a week", "short", `sum(increase(slipway_releases_total{`+app+`,result="healthy"}[7d]))`, ""),
				one(number, "Failed releases in a week", "short", `sum(increase(slipway_releases_total{`+app+`,result="failed"}[7d]))`, "").beyond(1, 3),
				one(number, "From commit to healthy, median", "s", `histogram_quantile(0.5, sum by (le) (rate(slipway_release_commit_to_healthy_seconds_bucket{`+app+`}[7d])))`, ""),
				one(number, "Alerts that fire", "short", `count(ALERTS{`+app+`,alertstate="firing"}) or vector(0)`, "").beyond(1, 3),
			}},
			{"Use", []panel{
				one(lines, "Processors", "short", `namespace_application:container_cpu_usage_seconds:rate5m{`+app+`}`, "{{application}}"),
				one(lines, "Memory", "bytes", `namespace_application:container_memory_working_set_bytes:sum{`+app+`}`, "{{application}}"),
				one(list, "What it tells itself", "short", `count by (__name__) ({job=~"pods|.+",`+app+`,__name__!~"slipway_.*|namespace_.*"})`, ""),
			}},
		}}
}

func pipelines() board {
	const ns = `namespace=~"$namespace"`
	return board{name: "pipelines", title: "Slipway / Pipelines", about: "Runs and jobs: how many, how long, how many fail.", variables: []variable{inNamespace}, rows: []row{
		{"Runs", []panel{
			one(lines, "Runs by result, in an hour", "short", `sum by (phase) (increase(slipway_runs_total{`+ns+`,phase=~"Succeeded|Failed|Canceled"}[1h]))`, "{{phase}}"),
			one(lines, "Share of runs that fail", "percentunit", `namespace:slipway_runs_failed:ratio_increase1h{`+ns+`}`, "{{namespace}}").beyond(0.2, 0.5),
			{kind: lines, title: "How long runs take", unit: "s", queries: []query{
				{`histogram_quantile(0.5, sum by (le) (rate(slipway_run_duration_seconds_bucket{` + ns + `}[1h])))`, "median"}, {`histogram_quantile(0.95, sum by (le) (rate(slipway_run_duration_seconds_bucket{` + ns + `}[1h])))`, "95%"},
			}},
			{kind: lines, title: "How long jobs take", unit: "s", queries: []query{
				{`histogram_quantile(0.5, sum by (le) (rate(slipway_job_duration_seconds_bucket{` + ns + `}[1h])))`, "median"}, {`histogram_quantile(0.95, sum by (le) (rate(slipway_job_duration_seconds_bucket{` + ns + `}[1h])))`, "95%"},
			}},
			one(lines, "Jobs by result, in an hour", "short", `sum by (phase) (increase(slipway_jobs_total{`+ns+`}[1h]))`, "{{phase}}"),
			one(lines, "Statuses of commits", "short", `sum by (forge, result) (increase(slipway_commit_statuses_total[1h]))`, "{{forge}} {{result}}"),
		}},
	}}
}

func gitops() board {
	const ns = `namespace=~"$namespace"`
	return board{name: "gitops", title: "Slipway / GitOps", about: "Releases: how many, how long they take, what waits.", variables: []variable{inNamespace}, rows: []row{
		{"Releases", []panel{
			one(lines, "Releases by result, in an hour", "short", `sum by (result) (increase(slipway_releases_total{`+ns+`}[1h]))`, "{{result}}"),
			one(lines, "How long a release takes, 95%", "s", `histogram_quantile(0.95, sum by (le, result) (rate(slipway_release_duration_seconds_bucket[1h])))`, "{{result}}"),
			one(lines, "From commit to healthy, 95%", "s", `histogram_quantile(0.95, sum by (le, application) (rate(slipway_release_commit_to_healthy_seconds_bucket{`+ns+`}[6h])))`, "{{application}}"),
			one(lines, "Renderings", "short", `sum by (outcome) (increase(slipway_render_cache_total[1h]))`, "{{outcome}}"),
			one(list, "Applications that wait", "short", `slipway_application_waiting{`+ns+`} == 1`, ""),
			one(list, "Applications that are pinned", "short", `slipway_application_pinned{`+ns+`}`, ""),
		}},
	}}
}

func registry() board {
	return board{name: "registry", title: "Slipway / Registry", about: "The embedded registry: requests, time, bytes, upstreams and room.", rows: []row{
		{"Requests", []panel{
			one(lines, "Requests by status", "reqps", `sum by (code) (rate(slipway_registry_requests_total[$__rate_interval]))`, "{{code}}"),
			one(lines, "Time to answer, 95%", "s", `histogram_quantile(0.95, sum by (le) (rate(slipway_registry_request_duration_seconds_bucket[$__rate_interval])))`, "95%"),
			one(lines, "Sent", "Bps", `sum(rate(slipway_registry_sent_bytes_total[$__rate_interval]))`, "sent"),
			one(lines, "Fetched from upstreams", "short", `sum by (host, result) (increase(slipway_registry_upstream_requests_total[1h]))`, "{{host}} {{result}}"),
			{kind: lines, title: "Room on the disk", unit: "bytes", queries: []query{{`slipway_disk_free_bytes`, "free"}, {`slipway_disk_reserve_bytes`, "reserve"}}},
		}},
	}}
}

func slipway() board {
	return board{name: "slipway", title: "Slipway / Itself", about: "The server and its children: what they use, and the metric store.", rows: []row{
		{"Processes", []panel{
			one(lines, "Processors", "short", `sum by (job) (rate(process_cpu_seconds_total[$__rate_interval]))`, "{{job}}"),
			one(lines, "Memory", "bytes", `sum by (job) (process_resident_memory_bytes)`, "{{job}}"),
			one(lines, "Open files", "short", `sum by (job) (process_open_fds)`, "{{job}}"),
			one(lines, "Reconciliations", "ops", `sum by (controller) (rate(controller_runtime_reconcile_total[$__rate_interval]))`, "{{controller}}"),
		}},
		{"Metrics", []panel{
			one(lines, "Series in memory", "short", `prometheus_tsdb_head_series`, "series"),
			one(lines, "Samples", "short", `rate(prometheus_tsdb_head_samples_appended_total[$__rate_interval])`, "{{type}}"),
			one(list, "Samples by target", "short", `topk(20, sum by (job, instance) (scrape_samples_post_metric_relabeling))`, ""),
			one(lines, "Notifications", "short", `sum by (integration) (increase(alertmanager_notifications_total[1h])) > 0`, "{{integration}}"),
		}},
	}}
}
