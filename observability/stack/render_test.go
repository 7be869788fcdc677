package stack

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

func whole() v1alpha1.LogStackSpec {
	return v1alpha1.LogStackSpec{
		Fluentd:       v1alpha1.FluentdSpec{Image: "fluentd:1", Config: "<filter web>\n  @type grep\n</filter>"},
		Elasticsearch: v1alpha1.ElasticsearchSpec{Image: "elasticsearch:9", Replicas: 3, Heap: ptr.To(resource.MustParse("1Gi"))},
		Logstash:      &v1alpha1.LogstashSpec{Image: "logstash:9"},
		Kibana:        &v1alpha1.KibanaSpec{Image: "kibana:9"},
		PullSecrets:   []string{"robot"},
	}
}

func rendered(t *testing.T, spec v1alpha1.LogStackSpec) ([]client.Object, *Secrets) {
	t.Helper()
	s := &Secrets{}
	if err := s.Complete(spec, time.Now()); err != nil {
		t.Fatal(err)
	}
	return Render(spec, s), s
}

func templateOf(o client.Object) *corev1.PodTemplateSpec {
	switch o := o.(type) {
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.Deployment:
		return &o.Spec.Template
	}
	return nil
}

// TestPodsFindWhatTheyName looks up every Secret, ConfigMap, key and service that a pod
// names among what is rendered with it.
func TestPodsFindWhatTheyName(t *testing.T) {
	objects, s := rendered(t, whole())
	data := map[string][]string{}
	for _, o := range append(s.kept(), objects...) {
		if o.GetNamespace() != v1alpha1.LogStackNamespace {
			t.Errorf("%T %s is in %q", o, o.GetName(), o.GetNamespace())
		}
		if _, ok := o.GetLabels()[labelPart]; !ok {
			t.Errorf("%T %s has no label of ours, and would never be pruned", o, o.GetName())
		}
		switch o := o.(type) {
		case *corev1.Secret:
			for k := range o.Data {
				data["secret/"+o.Name] = append(data["secret/"+o.Name], k)
			}
		case *corev1.ConfigMap:
			for k := range o.Data {
				data["config/"+o.Name] = append(data["config/"+o.Name], k)
			}
		}
	}
	has := func(object, key string) {
		t.Helper()
		if !slices.Contains(data[object], key) {
			t.Errorf("%s has no %s: %v", object, key, data[object])
		}
	}
	workloads := 0
	for _, o := range objects {
		pod := templateOf(o)
		if pod == nil {
			continue
		}
		workloads++
		if pod.Spec.ImagePullSecrets[0].Name != "robot" || *pod.Spec.AutomountServiceAccountToken {
			t.Errorf("%s: pull secrets %v, token %v", o.GetName(), pod.Spec.ImagePullSecrets, *pod.Spec.AutomountServiceAccountToken)
		}
		volumes := map[string]corev1.VolumeSource{dataVolume: {}}
		for _, v := range pod.Spec.Volumes {
			volumes[v.Name] = v.VolumeSource
		}
		c := pod.Spec.Containers[0]
		for _, m := range c.VolumeMounts {
			v, ok := volumes[m.Name]
			switch {
			case !ok && m.Name != dataVolume:
				t.Errorf("%s mounts %s, which it has not", o.GetName(), m.Name)
			case v.Secret != nil:
				for _, key := range []string{"ca.crt", "tls.crt", "tls.key"} {
					has("secret/"+v.Secret.SecretName, key)
				}
			case v.ConfigMap != nil && m.SubPath != "":
				has("config/"+v.ConfigMap.Name, m.SubPath)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil {
				has("secret/"+e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key)
			}
		}
	}
	if workloads != 4 {
		t.Errorf("%d workloads", workloads)
	}
}

// TestSecretsInRendered: threats 7 and 20.
func TestSecretsInRendered(t *testing.T) {
	objects, s := rendered(t, whole())
	for _, o := range objects {
		if _, ok := o.(*corev1.Secret); ok {
			continue
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		for name, password := range s.Passwords {
			if strings.Contains(string(b), password) {
				t.Errorf("%T %s has the password of %s", o, o.GetName(), name)
			}
		}
		if strings.Contains(string(b), "PRIVATE KEY") {
			t.Errorf("%T %s has a private key", o, o.GetName())
		}
	}
}

// TestPodSecurity asks the apiserver's own judge.
func TestPodSecurity(t *testing.T) {
	judge, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	objects, _ := rendered(t, whole())
	for _, o := range objects {
		pod := templateOf(o)
		if pod == nil {
			continue
		}
		level := psa.LevelRestricted
		if o.GetName() == Fluentd { // whose image says as which user
			level = psa.LevelBaseline
		}
		for _, r := range judge.EvaluatePod(psa.LevelVersion{Level: level, Version: psa.LatestVersion()}, &pod.ObjectMeta, &pod.Spec) {
			if !r.Allowed {
				t.Errorf("%s: %s: %s", o.GetName(), r.ForbiddenReason, r.ForbiddenDetail)
			}
		}
	}
}

func TestConfigurations(t *testing.T) {
	for name, text := range map[string]string{"elasticsearch.yml": ElasticsearchConf(), "kibana.yml": KibanaConf()} {
		var m map[string]any
		if err := yaml.Unmarshal([]byte(text), &m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	spec := whole()
	fluent := FluentConf(spec.Fluentd)
	for _, want := range []string{
		"shared_key \"#{ENV['FLUENT_SHARED_KEY']}\"", "host elasticsearch.slipway-logs.svc\n", "id_key slipway_id", "write_operation create",
		"target_index_key slipway_index", "remove_keys slipway_id,slipway_index", "retry_forever true", "overflow_action block", "verify_es_version_at_startup false", "total_limit_size 1024m",
		`slipway_id ${record["slipway_id"] || (require "securerandom"; SecureRandom.uuid)}`,
	} {
		if !strings.Contains(fluent, want) {
			t.Errorf("fluent.conf has no %q:\n%s", want, fluent)
		}
	}
	if mine, out := strings.Index(fluent, "<filter web>"), strings.Index(fluent, "@type elasticsearch"); mine < 0 || mine > out {
		t.Error("what the administrator adds is not before the output")
	}
	if err := sections(fluent); err != "" {
		t.Error(err)
	}
	own := v1alpha1.LogstashSpec{Pipeline: "input { beats { port => 5044 } }", Port: 5044}
	for _, l := range []v1alpha1.LogstashSpec{{}, own} {
		text := LogstashConf(l)
		if strings.Count(text, "{") != strings.Count(text, "}") || strings.Count(text, "input {") != 1 || strings.Count(text, "output {") != 1 {
			t.Errorf("pipeline:\n%s", text)
		}
	}
}

// sections says which element of Fluentd's form is not closed as it should be.
func sections(text string) string {
	var open []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "</"):
			name := strings.Trim(line, "</>")
			if len(open) == 0 || open[len(open)-1] != name {
				return "closed and not open: " + line
			}
			open = open[:len(open)-1]
		case strings.HasPrefix(line, "<"):
			open = append(open, strings.Fields(strings.Trim(line, "<>"))[0])
		}
	}
	if len(open) > 0 {
		return "open: " + strings.Join(open, ", ")
	}
	return ""
}

// TestRestarts: a pod is made anew when what it reads when it begins changed, and only then.
func TestRestarts(t *testing.T) {
	spec := whole()
	_, s := rendered(t, spec)
	digests := func(spec v1alpha1.LogStackSpec) map[string]string {
		out := map[string]string{}
		for _, o := range Render(spec, s) {
			if pod := templateOf(o); pod != nil {
				out[o.GetName()] = pod.Annotations[annotationConfig]
			}
		}
		return out
	}
	before := digests(spec)
	changed := func(what string, spec v1alpha1.LogStackSpec, want ...string) {
		t.Helper()
		var got []string
		now := digests(spec)
		for _, part := range Parts {
			if now[part] != before[part] {
				got = append(got, part)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v begin anew, want %v", what, got, want)
		}
		before = now
	}
	changed("nothing", spec)
	spec.Elasticsearch.Replicas = 5
	changed("more nodes", spec)
	spec.Fluentd.Config = ""
	changed("configuration", spec, Fluentd)
	s.Passwords[KibanaUser] = "another"
	changed("password", spec, Kibana)
	delete(s.Leaves, Elasticsearch)
	if err := s.Complete(spec, time.Now()); err != nil {
		t.Fatal(err)
	}
	changed("certificate", spec, Elasticsearch)
	// A Fluentd that runs on, with a client that trusts an authority it does not have.
	if err := s.Complete(spec, time.Now()); err != nil {
		t.Fatal(err)
	}
	changed("nothing again", spec)
}

func TestCertificates(t *testing.T) {
	now := time.Now()
	_, s := rendered(t, whole())
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.Authority.Cert)
	for _, part := range Parts {
		pair, err := tls.X509KeyPair(s.Leaves[part].Cert, s.Leaves[part].Key)
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{part, Host(part), "localhost"} {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil {
				t.Errorf("%s: %v", part, err)
			}
		}
		if !strings.Contains(string(s.Leaves[part].Key), "BEGIN PRIVATE KEY") {
			t.Errorf("%s: not PKCS #8, which Logstash wants", part)
		}
	}
	pair, _ := tls.X509KeyPair(s.Leaves[Elasticsearch].Cert, s.Leaves[Elasticsearch].Key)
	if err := pair.Leaf.VerifyHostname("elasticsearch-2." + Host(nodes)); err != nil {
		t.Error(err)
	}

	kept := &Secrets{}
	for _, o := range s.kept() {
		kept.read(o.(*corev1.Secret))
	}
	for part := range s.Leaves {
		kept.read(s.leaf(part))
	}
	if !reflect.DeepEqual(kept, s) {
		t.Error("what is read back is not what was kept")
	}
	old := s.Leaves[Fluentd].Cert
	for _, tc := range []struct {
		at      time.Duration
		renewed bool
	}{{300 * 24 * time.Hour, false}, {320 * 24 * time.Hour, true}} {
		if err := kept.Complete(whole(), now.Add(tc.at)); err != nil {
			t.Fatal(err)
		}
		if renewed := string(kept.Leaves[Fluentd].Cert) != string(old); renewed != tc.renewed {
			t.Errorf("after %s: renewed %v", tc.at, renewed)
		}
	}
	if kept.Passwords[Superuser] != s.Passwords[Superuser] || string(kept.Authority.Cert) != string(s.Authority.Cert) {
		t.Error("password or authority is another; data that is kept could not be read")
	}
}
