package commitstatus

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of what forges are told. A nil *Metrics counts nothing.
type Metrics struct {
	sent    *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_commit_statuses_total", Help: "Requests to forges, by what came of them: taken, later, refused."}, []string{"forge", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_commit_status_seconds", Help: "How long forges take to answer.", Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 15}}, []string{"forge"}),
	}
	for _, c := range []prometheus.Collector{m.sent, m.seconds} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Metrics) answered(kind string, r result, took time.Duration) {
	if m == nil {
		return
	}
	word := map[result]string{taken: "taken", later: "later", refused: "refused", refusedOne: "refused"}[r]
	m.sent.WithLabelValues(kind, word).Inc()
	m.seconds.WithLabelValues(kind).Observe(took.Seconds())
}
