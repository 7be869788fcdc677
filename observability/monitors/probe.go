package monitors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type metaSelector = metav1.LabelSelector

// Probe translates a Probe with static targets, or of Ingresses. What a confined one is
// probed by must be a service of its namespace: the scraper itself goes to no address that a
// user wrote.
func (t *Translator) Probe(ctx context.Context, s Source, p *monitoring.ProbeSpec) ([]job, error) {
	if err := direct(p.ProberSpec.ProxyConfig); err != nil {
		return nil, fmt.Errorf("prober: %w", err)
	}
	address, err := t.prober(ctx, s, p.ProberSpec.URL)
	if err != nil {
		return nil, err
	}
	j := t.newJob(s, 0, "")
	if err := timing(s, p.Interval, p.ScrapeTimeout, j); err != nil {
		return nil, err
	}
	h := p.HTTPConfigWithoutTLS
	if p.Authorization != nil {
		h.Authorization = p.Authorization
	}
	if err := t.identify(ctx, s, h, p.TLSConfig, j); err != nil {
		return nil, err
	}
	limits{p.SampleLimit, p.TargetLimit, p.LabelLimit, p.LabelNameLengthLimit, p.LabelValueLengthLimit, nil}.put(s, j)
	t.manner(manner{p.ScrapeClassName, p.ScrapeProtocols, p.FallbackScrapeProtocol, p.NativeHistogramConfig, p.KeepDroppedTargets}, j)
	j["metrics_path"] = "/probe"
	if p.ProberSpec.Path != "" {
		j["metrics_path"] = p.ProberSpec.Path
	}
	if p.ProberSpec.Scheme != nil {
		j["scheme"] = strings.ToLower(string(*p.ProberSpec.Scheme))
	}
	params := map[string][]string{}
	for _, q := range p.Params {
		params[q.Name] = q.Values
	}
	if p.Module != "" {
		params["module"] = []string{p.Module}
	}
	j["params"] = params
	name := p.JobName
	if name == "" {
		name = "probe/" + s.Namespace + "/" + s.Name
	}
	var steps []relabel
	switch {
	case p.Targets.StaticConfig != nil && len(p.Targets.StaticConfig.Targets) > 0:
		steps, err = probedAddresses(s, p.Targets.StaticConfig, j)
	case p.Targets.Ingress != nil:
		steps, err = t.probedIngresses(s, p.Targets.Ingress, j)
	default:
		return nil, errors.New("no targets; list them in targets.staticConfig.static, or select Ingresses in targets.ingress")
	}
	if err != nil {
		return nil, err
	}
	metric, err := relabelings(s, p.MetricRelabelConfigs, false)
	if err != nil {
		return nil, err
	}
	steps = append([]relabel{fixed("job", name)}, steps...)
	j["relabel_configs"] = append(append(steps, fixed("__address__", address)), own(s)...)
	j["metric_relabel_configs"] = append(metric, own(s)...)
	return []job{j}, nil
}

// probedAddresses are those that the object lists.
func probedAddresses(s Source, c *monitoring.ProbeTargetStaticConfig, j job) ([]relabel, error) {
	all := map[string]string{"namespace": s.Namespace}
	for k, v := range c.Labels {
		if !strings.HasPrefix(k, "__") && (k != "namespace" || !s.Confined) {
			all[k] = v
		}
	}
	j["static_configs"] = []any{job{"targets": c.Targets, "labels": all}}
	given, err := relabelings(s, c.RelabelConfigs, true)
	return append([]relabel{copied("__address__", "__param_target"), copied("__param_target", "instance")}, given...), err
}

// probedIngresses are one for each path of each host of the Ingresses that are selected.
func (t *Translator) probedIngresses(s Source, c *monitoring.ProbeTargetIngress, j job) ([]relabel, error) {
	j["kubernetes_sd_configs"] = t.discover("ingress")
	steps, err := t.namespaces(s, c.NamespaceSelector)
	if err != nil {
		return nil, err
	}
	chosen, err := selected("ingress", c.Selector)
	if err != nil {
		return nil, err
	}
	steps = append(append(steps, chosen...), relabel{
		"source_labels": []string{"__meta_kubernetes_ingress_scheme", "__address__", "__meta_kubernetes_ingress_path"}, "separator": ";",
		"regex": "(.+);(.+);(.+)", "target_label": "__param_target", "replacement": "${1}://${2}${3}",
	}, copied("__meta_kubernetes_namespace", "namespace"), copied("__meta_kubernetes_ingress_name", "ingress"), copied("__param_target", "instance"))
	given, err := relabelings(s, c.RelabelConfigs, true)
	return append(steps, given...), err
}

// prober is the address of a service by its name in the cluster, which the scraper, on the
// node's network, cannot look up.
func (t *Translator) prober(ctx context.Context, s Source, url string) (string, error) {
	host, port, err := net.SplitHostPort(url)
	if err != nil {
		host, port = url, "80"
	}
	parts := strings.Split(strings.TrimSuffix(strings.TrimSuffix(host, ".cluster.local"), ".svc"), ".")
	namespace := s.Namespace
	if len(parts) == 2 {
		namespace = parts[1]
	}
	if len(parts) <= 2 && net.ParseIP(host) == nil && (namespace == s.Namespace || !s.Confined) {
		o, err := t.Client.CoreV1().Services(namespace).Get(ctx, parts[0], metav1.GetOptions{})
		if err == nil && o.Spec.Type != corev1.ServiceTypeExternalName && o.Spec.ClusterIP != "" && o.Spec.ClusterIP != corev1.ClusterIPNone {
			return net.JoinHostPort(o.Spec.ClusterIP, port), nil
		}
		if s.Confined {
			return "", fmt.Errorf("prober.url %q: no service of namespace %s with an address", url, s.Namespace)
		}
	}
	if s.Confined {
		return "", fmt.Errorf("prober.url %q: must be a service of namespace %s, such as blackbox-exporter:9115", url, s.Namespace)
	}
	return net.JoinHostPort(host, port), nil
}
