package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"slipway.dev/observability/sources"
)

// clusterConfig is how the child reaches the API server.
func clusterConfig(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of the observe child: %w", err)
	}
	config.UserAgent = "slipway-observe"
	return config, nil
}

// figures serves the pages that this process' own Prometheus scrapes.
func figures(ctx context.Context, mux *http.ServeMux, c Config, cluster *rest.Config, reg *prometheus.Registry, log *slog.Logger) error {
	config := rest.CopyConfig(cluster)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("kubeconfig of the observe child: %w", err)
	}
	node, err := sources.Node(c.DataDir, log.With("part", "node"))
	if err != nil {
		return err
	}
	objects, err := sources.Objects(ctx, client, log.With("part", "objects"))
	if err != nil {
		return err
	}
	mux.Handle("GET /figures/node", node)
	mux.Handle("GET /figures/objects", objects)
	mux.Handle("GET /figures/self", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return nil
}
