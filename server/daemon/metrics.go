package daemon

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/component-base/metrics/legacyregistry"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// metricsHandler serves the figures of the whole process once: Kubernetes',
// the controllers' and our own.
func (s *services) metricsHandler() http.Handler {
	// Kubernetes' registry has the process's and the runtime's figures already.
	ctrlmetrics.Registry.Unregister(collectors.NewGoCollector())
	ctrlmetrics.Registry.Unregister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	all := prometheus.Gatherers{legacyregistry.DefaultGatherer, ctrlmetrics.Registry, s.metrics}
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}
