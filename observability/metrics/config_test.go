package metrics

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"slipway.dev/observability/selectors"
)

// TestAnnotatedPodsHaveOneJob: a pod is a target of one of the two jobs that scrape annotated
// pods, both of which are called the same; that of machines' addresses is not confined.
func TestAnnotatedPodsHaveOneJob(t *testing.T) {
	text, err := (Targets{Interval: time.Minute, Kubeconfig: "k", CAFile: "a", CertFile: "c", KeyFile: "k", Server: "127.0.0.1:1", TokenFile: "t"}).render()
	if err != nil {
		t.Fatal(err)
	}
	conf, err := config.Load(text, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ pod, annotation, want string }{
		{"10.42.0.7", "true", "pods"}, {"192.0.2.1", "true", "host-pods"}, {"10.42.0.7", "false", ""}, {"192.0.2.1", "", ""},
	} {
		var kept []string
		for _, s := range conf.ScrapeConfigs {
			if _, ok := annotated[s.JobName]; !ok {
				continue
			}
			if s.SampleLimit != SampleLimit || s.HonorLabels || s.HTTPClientConfig.FollowRedirects {
				t.Errorf("job %s has no limits", s.JobName)
			}
			b := labels.NewBuilder(labels.FromStrings("__address__", c.pod+":80", "job", s.JobName, "__meta_kubernetes_pod_phase", "Running",
				"__meta_kubernetes_pod_ip", c.pod, "__meta_kubernetes_pod_host_ip", "192.0.2.1", "__meta_kubernetes_namespace", "shop",
				"__meta_kubernetes_pod_annotation_prometheus_io_scrape", c.annotation, "__meta_kubernetes_pod_annotation_prometheus_io_port", "8080"))
			if !relabel.ProcessBuilder(b, s.RelabelConfigs...) {
				continue
			}
			kept = append(kept, s.JobName)
			if l := b.Labels(); l.Get("job") != "pods" || l.Get("namespace") != "shop" || l.Get("__address__") != c.pod+":8080" || l.Get(selectors.OriginLabel) != "shop" {
				t.Errorf("job %s: %s", s.JobName, l)
			}
		}
		if (len(kept) > 0) != (c.want != "") || len(kept) > 1 || len(kept) == 1 && kept[0] != c.want {
			t.Errorf("%+v: %v", c, kept)
		}
	}
}
