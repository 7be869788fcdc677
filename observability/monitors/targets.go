package monitors

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Service translates a ServiceMonitor: a job for each endpoint.
func (t *Translator) Service(ctx context.Context, s Source, m *monitoring.ServiceMonitorSpec) ([]job, error) {
	var out []job
	for i := range m.Endpoints {
		e := &m.Endpoints[i]
		j := t.newJob(s, i, "endpointslice")
		if e.BearerTokenFile != "" { //nolint:staticcheck // people have it
			return nil, fmt.Errorf("endpoints[%d]: bearerTokenFile is a file of another program; use authorization.credentials (what Kubernetes itself runs is scraped without an object)", i)
		}
		steps, err := t.common(ctx, s, j, "service", common{
			m.Selector, m.NamespaceSelector, m.PodTargetLabels, e.RelabelConfigs, e.MetricRelabelConfigs,
			e.HTTPConfigWithoutTLS, nil, e.ProxyConfig, e.Interval, e.ScrapeTimeout, e.Path, e.Scheme, e.Params, e.HonorLabels,
			e.HonorTimestamps, e.TrackTimestampsStaleness, e.FilterRunning, m.AttachMetadata,
			manner{m.ScrapeClassName, m.ScrapeProtocols, m.FallbackScrapeProtocol, m.NativeHistogramConfig, m.KeepDroppedTargets},
			limits{m.SampleLimit, m.TargetLimit, m.LabelLimit, m.LabelNameLengthLimit, m.LabelValueLengthLimit, m.BodySizeLimit},
		}, func() []relabel {
			r := port(e.Port, e.TargetPort, "__meta_kubernetes_endpointslice_port_name")
			r = append(r,
				relabel{"source_labels": []string{"__meta_kubernetes_endpointslice_address_target_kind", "__meta_kubernetes_endpointslice_address_target_name"}, "separator": ";", "regex": "Pod;(.*)", "target_label": "pod"},
				copied("__meta_kubernetes_service_name", "service"))
			for _, l := range m.TargetLabels {
				r = append(r, relabel{"source_labels": []string{"__meta_kubernetes_service_label_" + sanitized(l)}, "regex": "(.+)", "target_label": sanitized(l)})
			}
			r = append(r, copied("__meta_kubernetes_service_name", "job"))
			if m.JobLabel != "" {
				r = append(r, relabel{"source_labels": []string{"__meta_kubernetes_service_label_" + sanitized(m.JobLabel)}, "regex": "(.+)", "target_label": "job"})
			}
			return append(r, endpoint(e.Port, e.TargetPort)...)
		})
		if err != nil {
			return nil, fmt.Errorf("endpoints[%d]: %w", i, err)
		}
		if e.TLSConfig != nil {
			if e.TLSConfig.TLSFilesConfig != (monitoring.TLSFilesConfig{}) {
				return nil, fmt.Errorf("endpoints[%d]: caFile, certFile and keyFile of tlsConfig are files of another program; use ca, cert and keySecret", i)
			}
			if err := t.identify(ctx, s, monitoring.HTTPConfigWithoutTLS{}, &e.TLSConfig.SafeTLSConfig, j); err != nil {
				return nil, fmt.Errorf("endpoints[%d]: %w", i, err)
			}
		}
		j["relabel_configs"] = steps
		out = append(out, j)
	}
	return out, nil
}

// Pod translates a PodMonitor.
func (t *Translator) Pod(ctx context.Context, s Source, m *monitoring.PodMonitorSpec) ([]job, error) {
	var out []job
	for i := range m.PodMetricsEndpoints {
		e := &m.PodMetricsEndpoints[i]
		j := t.newJob(s, i, "pod")
		name, target := "", e.TargetPort //nolint:staticcheck // people have it
		if e.Port != nil {
			name = *e.Port
		}
		if e.PortNumber != nil {
			n := intstr.FromInt32(*e.PortNumber)
			target = &n
		}
		steps, err := t.common(ctx, s, j, "pod", common{
			m.Selector, m.NamespaceSelector, m.PodTargetLabels, e.RelabelConfigs, e.MetricRelabelConfigs,
			e.HTTPConfigWithoutTLS, e.TLSConfig, e.ProxyConfig, e.Interval, e.ScrapeTimeout, e.Path, e.Scheme, e.Params, e.HonorLabels,
			e.HonorTimestamps, e.TrackTimestampsStaleness, e.FilterRunning, m.AttachMetadata,
			manner{m.ScrapeClassName, m.ScrapeProtocols, m.FallbackScrapeProtocol, m.NativeHistogramConfig, m.KeepDroppedTargets},
			limits{m.SampleLimit, m.TargetLimit, m.LabelLimit, m.LabelNameLengthLimit, m.LabelValueLengthLimit, m.BodySizeLimit},
		}, func() []relabel {
			r := append(port(name, target, "__meta_kubernetes_pod_container_port_name"), copied("__meta_kubernetes_pod_name", "pod"),
				fixed("job", s.Namespace+"/"+s.Name))
			if m.JobLabel != "" {
				r = append(r, relabel{"source_labels": []string{"__meta_kubernetes_pod_label_" + sanitized(m.JobLabel)}, "regex": "(.+)", "target_label": "job"})
			}
			return append(r, endpoint(name, target)...)
		})
		if err != nil {
			return nil, fmt.Errorf("podMetricsEndpoints[%d]: %w", i, err)
		}
		j["relabel_configs"] = steps
		out = append(out, j)
	}
	return out, nil
}

// common is what endpoints of services and of pods share.
type common struct {
	selector         metaSelector
	namespaces       monitoring.NamespaceSelector
	podLabels        []string
	relabel, metric  []monitoring.RelabelConfig
	http             monitoring.HTTPConfigWithoutTLS
	tls              *monitoring.SafeTLSConfig
	proxy            monitoring.ProxyConfig
	interval, within monitoring.Duration
	path             string
	scheme           *monitoring.Scheme
	params           map[string][]string
	honor            bool
	honorTime, stale *bool
	running          *bool
	attach           *monitoring.AttachMetadata
	manner           manner
	limits           limits
}

func (t *Translator) common(ctx context.Context, s Source, j job, object string, c common, particular func() []relabel) ([]relabel, error) {
	if err := direct(c.proxy); err != nil {
		return nil, err
	}
	if err := timing(s, c.interval, c.within, j); err != nil {
		return nil, err
	}
	if err := t.identify(ctx, s, c.http, c.tls, j); err != nil {
		return nil, err
	}
	c.limits.put(s, j)
	t.manner(c.manner, j)
	t.attach(s, c.attach, j)
	stamps(c.honorTime, c.stale, j)
	j["honor_labels"] = c.honor // what a confined one says of its namespace is written over, see own
	if c.path != "" {
		j["metrics_path"] = c.path
	}
	if c.scheme != nil {
		j["scheme"] = strings.ToLower(string(*c.scheme))
	}
	if len(c.params) > 0 {
		j["params"] = c.params
	}
	steps, err := t.namespaces(s, c.namespaces)
	if err != nil {
		return nil, err
	}
	chosen, err := selected(object, c.selector)
	if err != nil {
		return nil, err
	}
	steps = append(steps, chosen...)
	if c.running == nil || *c.running {
		steps = append(steps, relabel{"action": "drop", "source_labels": []string{"__meta_kubernetes_pod_phase"}, "regex": "(Failed|Succeeded)"})
	}
	steps = append(steps, copied("__meta_kubernetes_namespace", "namespace"), copied("__meta_kubernetes_pod_container_name", "container"),
		copied("__meta_kubernetes_pod_label_slipway_dev_application", "application"), copied("__meta_kubernetes_pod_label_slipway_dev_release", "release"))
	for _, l := range c.podLabels {
		steps = append(steps, relabel{"source_labels": []string{"__meta_kubernetes_pod_label_" + sanitized(l)}, "regex": "(.+)", "target_label": sanitized(l)})
	}
	steps = append(steps, particular()...)
	given, err := relabelings(s, c.relabel, true)
	if err != nil {
		return nil, err
	}
	metric, err := relabelings(s, c.metric, false)
	if err != nil {
		return nil, err
	}
	j["metric_relabel_configs"] = append(metric, own(s)...)
	return append(append(steps, given...), own(s)...), nil
}

// direct refuses a proxy: it would dial for us, where nothing guards it.
func direct(p monitoring.ProxyConfig) error {
	if p.ProxyURL != nil || p.ProxyFromEnvironment != nil && *p.ProxyFromEnvironment {
		return fmt.Errorf("proxyUrl and proxyFromEnvironment are not supported: targets are asked directly")
	}
	return nil
}

func port(name string, target *intstr.IntOrString, label string) []relabel {
	switch {
	case name != "":
		return []relabel{keep(label, quoted(name))}
	case target == nil:
		return nil
	case target.Type == intstr.String:
		return []relabel{keep("__meta_kubernetes_pod_container_port_name", quoted(target.StrVal))}
	}
	return []relabel{keep("__meta_kubernetes_pod_container_port_number", strconv.Itoa(int(target.IntVal)))}
}

func endpoint(name string, target *intstr.IntOrString) []relabel {
	if name == "" && target != nil {
		name = target.String()
	}
	if name == "" {
		return nil
	}
	return []relabel{fixed("endpoint", name)}
}
