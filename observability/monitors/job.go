package monitors

import (
	"context"
	"fmt"
	"slices"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"slipway.dev/observability/metrics"
)

// Source is the object that something was made from.
type Source struct {
	Kind, Namespace, Name string
	// Confined to its namespace.
	Confined bool
}

func (s Source) String() string { return s.Kind + " " + s.Namespace + "/" + s.Name }

// job is a scrape configuration in Prometheus' form, to be written as YAML.
type job = map[string]any

// relabel is one step of relabelling.
type relabel = map[string]any

// Translator makes jobs of objects. Client reads the Secrets, ConfigMaps and Services
// that objects name, in their own namespace alone.
type Translator struct {
	Client     kubernetes.Interface
	Kubeconfig string

	// noted is what of an object is not done though the rest of it is.
	noted map[string]bool
}

// limits is what an object may set: never more than the limits of every target.
type limits struct {
	sample, target, label, labelName, labelValue *int64
	body                                         *monitoring.ByteSize
}

func (l limits) put(s Source, j job) {
	least := func(key string, most int64, given *int64) {
		if given != nil && *given > 0 {
			most = min(most, *given)
		}
		j[key] = most
	}
	least("sample_limit", metrics.SampleLimit, l.sample)
	least("target_limit", metrics.TargetLimit, l.target)
	least("label_limit", metrics.LabelLimit, l.label)
	least("label_name_length_limit", metrics.LabelNameLimit, l.labelName)
	least("label_value_length_limit", metrics.LabelValueLimit, l.labelValue)
	j["body_size_limit"] = metrics.BodyLimit
	if l.body != nil && *l.body != "" && !s.Confined {
		j["body_size_limit"] = string(*l.body)
	}
}

// newJob is what all jobs have.
func (t *Translator) newJob(s Source, index int, role string) job {
	j := job{
		"job_name":                 fmt.Sprintf("%s/%s/%s/%d", strings.ToLower(s.Kind), s.Namespace, s.Name, index),
		"honor_labels":             false,
		"follow_redirects":         false,
		"fallback_scrape_protocol": "PrometheusText0.0.4",
		"keep_dropped_targets":     20,
	}
	if role != "" {
		j["kubernetes_sd_configs"] = t.discover(role)
	}
	return j
}

func (t *Translator) discover(role string) []any {
	return []any{job{"role": role, "kubeconfig_file": t.Kubeconfig}}
}

// lift is what an administrator can do for an object that should reach further.
const lift = "put an object beside each, or have an administrator label this namespace slipway.dev/metrics=cluster"

// namespaces keeps the targets of those that a selector names.
func (t *Translator) namespaces(s Source, n monitoring.NamespaceSelector) ([]relabel, error) {
	names := n.MatchNames
	if n.Any || len(names) == 0 {
		names = []string{s.Namespace}
	}
	switch {
	case n.Any && !s.Confined:
		return nil, nil
	case s.Confined && !slices.Contains(names, s.Namespace):
		return nil, fmt.Errorf("namespaceSelector: objects of namespace %s select nothing in namespace %s; %s", s.Namespace, strings.Join(names, ", "), lift)
	case s.Confined:
		if n.Any || len(names) > 1 {
			t.note("namespaceSelector: only what is in namespace %s is scraped; for others, %s", s.Namespace, lift)
		}
		names = []string{s.Namespace}
	}
	quotedNames := make([]string, len(names))
	for i, name := range names {
		quotedNames[i] = quoted(name)
	}
	return []relabel{keep("__meta_kubernetes_namespace", strings.Join(quotedNames, "|"))}, nil
}

func keep(label, regex string) relabel {
	return relabel{"action": "keep", "source_labels": []string{label}, "regex": regex}
}

func copied(from, to string) relabel {
	return relabel{"source_labels": []string{from}, "target_label": to}
}

func fixed(to, value string) relabel {
	return relabel{"target_label": to, "replacement": strings.ReplaceAll(value, "$", "$$")}
}

// selected keeps the targets whose object (service or pod) has the labels.
func selected(object string, sel metav1.LabelSelector) ([]relabel, error) {
	var out []relabel
	meta := func(key string) string { return "__meta_kubernetes_" + object + "_label_" + sanitized(key) }
	present := func(key string) string {
		return "__meta_kubernetes_" + object + "_labelpresent_" + sanitized(key)
	}
	for _, key := range sorted(sel.MatchLabels) {
		out = append(out, keep(meta(key), quoted(sel.MatchLabels[key])), keep(present(key), "true"))
	}
	for _, e := range sel.MatchExpressions {
		values := make([]string, len(e.Values))
		for i, v := range e.Values {
			values[i] = quoted(v)
		}
		any := strings.Join(values, "|")
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			out = append(out, keep(meta(e.Key), any), keep(present(e.Key), "true"))
		case metav1.LabelSelectorOpNotIn:
			out = append(out, relabel{"action": "drop", "source_labels": []string{present(e.Key), meta(e.Key)}, "separator": ";", "regex": "true;(" + any + ")"})
		case metav1.LabelSelectorOpExists:
			out = append(out, keep(present(e.Key), "true"))
		case metav1.LabelSelectorOpDoesNotExist:
			out = append(out, relabel{"action": "drop", "source_labels": []string{present(e.Key)}, "regex": "true"})
		default:
			return nil, fmt.Errorf("selector: operator %q is not known", e.Operator)
		}
	}
	return out, nil
}

// secret reads a key of a Secret beside the object.
func (t *Translator) secret(ctx context.Context, s Source, k *corev1.SecretKeySelector) (string, error) {
	o, err := t.Client.CoreV1().Secrets(s.Namespace).Get(ctx, k.Name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	v, ok := o.Data[k.Key]
	if !ok {
		return "", fmt.Errorf("secret %s: no key %s", k.Name, k.Key)
	}
	return string(v), nil
}

func (t *Translator) either(ctx context.Context, s Source, k monitoring.SecretOrConfigMap) (string, error) {
	switch {
	case k.Secret != nil:
		return t.secret(ctx, s, k.Secret)
	case k.ConfigMap != nil:
		o, err := t.Client.CoreV1().ConfigMaps(s.Namespace).Get(ctx, k.ConfigMap.Name, metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		v, ok := o.Data[k.ConfigMap.Key]
		if !ok {
			return "", fmt.Errorf("configmap %s: no key %s", k.ConfigMap.Name, k.ConfigMap.Key)
		}
		return v, nil
	}
	return "", nil
}

// identify puts into a job as whom its targets are asked.
func (t *Translator) identify(ctx context.Context, s Source, h monitoring.HTTPConfigWithoutTLS, tls *monitoring.SafeTLSConfig, j job) (err error) {
	if h.OAuth2 != nil {
		return fmt.Errorf("oauth2 is not supported; use authorization or basicAuth")
	}
	if a := h.Authorization; a != nil && a.Credentials != nil {
		text, err := t.secret(ctx, s, a.Credentials)
		if err != nil {
			return err
		}
		kind := a.Type
		if kind == "" {
			kind = "Bearer"
		}
		j["authorization"] = job{"type": kind, "credentials": text}
	}
	if b := h.BearerTokenSecret; b != nil && b.Name != "" { //nolint:staticcheck // people have it
		text, err := t.secret(ctx, s, b)
		if err != nil {
			return err
		}
		j["authorization"] = job{"type": "Bearer", "credentials": text}
	}
	if b := h.BasicAuth; b != nil {
		user, err := t.secret(ctx, s, &b.Username)
		if err != nil {
			return err
		}
		password, err := t.secret(ctx, s, &b.Password)
		if err != nil {
			return err
		}
		j["basic_auth"] = job{"username": user, "password": password}
	}
	if h.EnableHTTP2 != nil {
		j["enable_http2"] = *h.EnableHTTP2
	}
	if follow := h.FollowRedirects; follow != nil && *follow {
		if s.Confined {
			t.note("followRedirects: redirects are not followed; give the path and port that answer")
		} else {
			j["follow_redirects"] = true
		}
	}
	if tls == nil {
		return nil
	}
	c := job{}
	if tls.InsecureSkipVerify != nil {
		c["insecure_skip_verify"] = *tls.InsecureSkipVerify
	}
	if tls.ServerName != nil {
		c["server_name"] = *tls.ServerName
	}
	if tls.MinVersion != nil {
		c["min_version"] = string(*tls.MinVersion)
	}
	if tls.MaxVersion != nil {
		c["max_version"] = string(*tls.MaxVersion)
	}
	for key, from := range map[string]monitoring.SecretOrConfigMap{"ca": tls.CA, "cert": tls.Cert, "key": {Secret: tls.KeySecret}} {
		text, err := t.either(ctx, s, from)
		if err != nil {
			return err
		}
		if text != "" {
			c[key] = text
		}
	}
	j["tls_config"] = c
	return nil
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
