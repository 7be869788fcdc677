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

// Probe translates a Probe with static targets. What a confined one is probed by must be a
// service of its namespace: the scraper itself goes to no address that a user wrote.
func (t *Translator) Probe(ctx context.Context, s Source, p *monitoring.ProbeSpec) ([]job, error) {
	if err := plain(p.ScrapeClassName); err != nil {
		return nil, err
	}
	switch {
	case p.Targets.Ingress != nil:
		return nil, errors.New("targets.ingress is not supported; list the addresses in targets.staticConfig")
	case p.Targets.StaticConfig == nil || len(p.Targets.StaticConfig.Targets) == 0:
		return nil, errors.New("no targets; list them in targets.staticConfig.static")
	case p.ProberSpec.ProxyURL != nil:
		return nil, errors.New("prober.proxyUrl is not supported")
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
	static := job{"targets": p.Targets.StaticConfig.Targets, "labels": map[string]string{"namespace": s.Namespace}}
	for k, v := range p.Targets.StaticConfig.Labels {
		if !strings.HasPrefix(k, "__") && (k != "namespace" || !s.Confined) {
			static["labels"].(map[string]string)[k] = v
		}
	}
	j["static_configs"] = []any{static}
	steps := []relabel{copied("__address__", "__param_target"), copied("__param_target", "instance"), fixed("job", name)}
	given, err := relabelings(s, p.Targets.StaticConfig.RelabelConfigs, true)
	if err != nil {
		return nil, err
	}
	metric, err := relabelings(s, p.MetricRelabelConfigs, false)
	if err != nil {
		return nil, err
	}
	j["relabel_configs"] = append(append(append(steps, given...), fixed("__address__", address)), own(s)...)
	j["metric_relabel_configs"] = append(metric, own(s)...)
	return []job{j}, nil
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
