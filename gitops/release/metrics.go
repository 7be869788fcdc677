package release

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"slipway.dev/cluster/api/v1alpha1"
)

// Metrics of releases. The zero pointer counts nothing.
type Metrics struct {
	releases *prometheus.CounterVec
	duration *prometheus.HistogramVec
	commit   *prometheus.HistogramVec
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	buckets := []float64{0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800}
	m := &Metrics{
		releases: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_releases_total", Help: "Releases by result.",
		}, []string{"namespace", "application", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_release_duration_seconds", Help: "Time from the start of a release to its result.", Buckets: buckets,
		}, []string{"result"}),
		commit: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_release_commit_to_healthy_seconds", Help: "Time from a commit to its healthy release.",
			Buckets: append(buckets, 3600, 6*3600, 24*3600, 7*24*3600),
		}, []string{"namespace", "application"}),
	}
	reg.MustRegister(m.releases, m.duration, m.commit)
	return m
}

func (m *Metrics) finished(app *v1alpha1.Application, rel *v1alpha1.Release) {
	if m == nil || rel.Status.FinishedAt == nil {
		return
	}
	result := strings.ToLower(string(rel.Status.Result))
	m.releases.WithLabelValues(app.Namespace, app.Name, result).Inc()
	m.duration.WithLabelValues(result).Observe(rel.Status.FinishedAt.Sub(started(rel)).Seconds())
}

func (m *Metrics) committed(app *v1alpha1.Application, took time.Duration) {
	if m != nil {
		m.commit.WithLabelValues(app.Namespace, app.Name).Observe(took.Seconds())
	}
}

// forget drops the series of an application that is gone.
func (m *Metrics) forget(app *v1alpha1.Application) {
	if m == nil {
		return
	}
	labels := prometheus.Labels{"namespace": app.Namespace, "application": app.Name}
	m.releases.DeletePartialMatch(labels)
	m.commit.DeletePartialMatch(labels)
}
