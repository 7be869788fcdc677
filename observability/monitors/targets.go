package monitors

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Service translates a ServiceMonitor: a job for each endpoint.
func (t *Translator) Service(ctx context.Context, s Source, m *monitoring.ServiceMonitorSpec) ([]job, error) {
	if err := plain(m.ScrapeClassName); err != nil {
		return nil, err
	}
	var out []job
	for i := range m.Endpoints {
		e := &m.Endpoints[i]
		j := t.newJob(s, i, "endpointslice")
		if e.BearerTokenFile != "" { //nolint:staticcheck // people have it
			return nil, errors.New("bearerTokenFile is a file of another program; use authorization.credentials")
		}
		steps, err := t.common(ctx, s, j, "service", common{
			m.Selector, m.NamespaceSelector, m.PodTargetLabels, e.RelabelConfigs, e.MetricRelabelConfigs,
			e.HTTPConfigWithoutTLS, nil, e.ProxyConfig.ProxyURL, e.Interval, e.ScrapeTimeout, e.Path, e.Scheme, e.Params, e.HonorLabels,
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
				return nil, fmt.Errorf("endpoints[%d]: files of tlsConfig are of another program; use ca, cert and keySecret", i)
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
	if err := plain(m.ScrapeClassName); err != nil {
		return nil, err
	}
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
			e.HTTPConfigWithoutTLS, e.TLSConfig, e.ProxyConfig.ProxyURL, e.Interval, e.ScrapeTimeout, e.Path, e.Scheme, e.Params, e.HonorLabels,
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
	proxy            *string
	interval, within monitoring.Duration
	path             string
	scheme           *monitoring.Scheme
	params           map[string][]string
	honor            bool
	limits           limits
}

func (t *Translator) common(ctx context.Context, s Source, j job, object string, c common, particular func() []relabel) ([]relabel, error) {
	if c.proxy != nil {
		return nil, errors.New("proxyUrl is not supported")
	}
	if err := timing(s, c.interval, c.within, j); err != nil {
		return nil, err
	}
	if err := t.identify(ctx, s, c.http, c.tls, j); err != nil {
		return nil, err
	}
	c.limits.put(s, j)
	j["honor_labels"] = c.honor && !s.Confined
	if c.path != "" {
		j["metrics_path"] = c.path
	}
	if c.scheme != nil {
		j["scheme"] = strings.ToLower(string(*c.scheme))
	}
	if len(c.params) > 0 {
		j["params"] = c.params
	}
	steps := namespaces(s, c.namespaces)
	chosen, err := selected(object, c.selector)
	if err != nil {
		return nil, err
	}
	steps = append(steps, chosen...)
	steps = append(steps, relabel{"action": "drop", "source_labels": []string{"__meta_kubernetes_pod_phase"}, "regex": "(Failed|Succeeded)"})
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
