package embedded

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the registry, registered on what New was given.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	sent     prometheus.Counter
	upstream *prometheus.CounterVec
	all      []prometheus.Collector
}

func newMetrics() *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_registry_requests_total", Help: "Requests to the registry by route, method and status code.",
		}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_registry_request_duration_seconds", Help: "Time to answer a request to the registry.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2, 10, 60},
		}, []string{"route"}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "slipway_registry_sent_bytes_total", Help: "Bytes of manifests and blobs sent to clients.",
		}),
		upstream: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_registry_upstream_requests_total", Help: "Fetches from upstream registries by host, kind and result.",
		}, []string{"host", "kind", "result"}),
	}
	m.all = []prometheus.Collector{m.requests, m.seconds, m.sent, m.upstream}
	return m
}

// register adds the metrics; a second registry in one process shares the first one's names and is refused.
func (m *metrics) register(to prometheus.Registerer) error {
	if to == nil {
		return nil
	}
	var errs []error
	for _, c := range m.all {
		errs = append(errs, to.Register(c))
	}
	return errors.Join(errs...)
}

var knownMethods = map[string]bool{"GET": true, "HEAD": true, "PUT": true, "POST": true, "PATCH": true, "DELETE": true}

func (m *metrics) observe(route, method string, rec *recorder, took time.Duration) {
	if !knownMethods[method] {
		method = "other"
	}
	status := rec.status
	if status == 0 {
		status = 200
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
	m.sent.Add(float64(rec.bytes))
}
