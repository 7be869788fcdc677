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
	pinned   *prometheus.GaugeVec
	waiting  *prometheus.GaugeVec
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
	m.pinned = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "slipway_application_pinned", Help: "Release that an application is pinned to; absent where it is not.",
	}, []string{"namespace", "application"})
	m.waiting = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "slipway_application_waiting", Help: "1 for an application whose next release waits, with the reason.",
	}, []string{"namespace", "application", "reason"})
	reg.MustRegister(m.releases, m.duration, m.commit, m.pinned, m.waiting)
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

// shows what holds an application back, as its object has it.
func (m *Metrics) shows(app *v1alpha1.Application) {
	if m == nil {
		return
	}
	labels := prometheus.Labels{"namespace": app.Namespace, "application": app.Name}
	if app.Spec.Pin > 0 {
		m.pinned.With(labels).Set(float64(app.Spec.Pin))
	} else {
		m.pinned.Delete(labels)
	}
	for _, reason := range []string{v1alpha1.WaitingNeeds, v1alpha1.WaitingCycle, v1alpha1.WaitingWindow} {
		if w := app.Status.Waiting; w != nil && w.Reason == reason {
			m.waiting.WithLabelValues(app.Namespace, app.Name, reason).Set(1)
		} else {
			m.waiting.DeleteLabelValues(app.Namespace, app.Name, reason)
		}
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
	m.pinned.DeletePartialMatch(labels)
	m.waiting.DeletePartialMatch(labels)
}
