package run

import (
	"github.com/prometheus/client_golang/prometheus"

	"slipway.dev/cluster/api/v1alpha1"
)

// Metrics of runs and jobs. A nil *Metrics counts nothing.
type Metrics struct {
	runs, jobs               *prometheus.CounterVec
	runDuration, jobDuration *prometheus.HistogramVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	buckets := []float64{.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600}
	m := &Metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_runs_total", Help: "Runs that came into a phase."}, []string{"namespace", "phase"}),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_jobs_total", Help: "Jobs that came into a phase."}, []string{"namespace", "phase"}),
		runDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_run_duration_seconds", Help: "From start to end of a run.", Buckets: buckets}, []string{"namespace", "phase"}),
		jobDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_job_duration_seconds", Help: "From start to end of a job's last attempt.", Buckets: buckets}, []string{"namespace", "phase"}),
	}
	for _, c := range []prometheus.Collector{m.runs, m.jobs, m.runDuration, m.jobDuration} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// changed counts what differs between two states of a run.
func (m *Metrics) changed(before, after *v1alpha1.Run) {
	if m == nil {
		return
	}
	ns := after.Namespace
	if s := &after.Status; s.Phase != before.Status.Phase {
		m.runs.WithLabelValues(ns, string(s.Phase)).Inc()
		if s.FinishedAt != nil && s.StartedAt != nil {
			m.runDuration.WithLabelValues(ns, string(s.Phase)).Observe(s.FinishedAt.Sub(s.StartedAt.Time).Seconds())
		}
	}
	for i := range after.Status.Jobs {
		js := &after.Status.Jobs[i]
		if old := jobStatus(before, js.Name); old != nil && old.Phase == js.Phase && old.Attempt == js.Attempt {
			continue
		}
		m.jobs.WithLabelValues(ns, string(js.Phase)).Inc()
		if js.FinishedAt != nil && js.StartedAt != nil {
			m.jobDuration.WithLabelValues(ns, string(js.Phase)).Observe(js.FinishedAt.Sub(js.StartedAt.Time).Seconds())
		}
	}
}
