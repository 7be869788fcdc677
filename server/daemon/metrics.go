package daemon

import (
	"net/http"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/component-base/metrics/legacyregistry"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// metricsHandler serves the figures of the whole process once: Kubernetes', etcd's, the
// controllers' and our own.
func (s *services) metricsHandler() http.Handler {
	// Kubernetes' registry has the process's and the runtime's figures already.
	ctrlmetrics.Registry.Unregister(collectors.NewGoCollector())
	ctrlmetrics.Registry.Unregister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	all := prometheus.Gatherers{legacyregistry.DefaultGatherer, ctrlmetrics.Registry, s.metrics, prometheus.GathererFunc(etcdFigures)}
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}

var etcdServer = regexp.MustCompile(`^etcd_(server|mvcc|disk|network|cluster)_`)

// etcdFigures are those of the etcd in this process, which are in the registry that
// everybody registers with.
func etcdFigures() ([]*dto.MetricFamily, error) {
	all, err := prometheus.DefaultGatherer.Gather()
	var own []*dto.MetricFamily
	for _, f := range all {
		if etcdServer.MatchString(f.GetName()) {
			own = append(own, f)
		}
	}
	return own, err
}
