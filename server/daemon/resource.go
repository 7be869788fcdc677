package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/common/model"

	"slipway.dev/cluster/addons"
	kube "slipway.dev/cluster/client"
	"slipway.dev/observability/metrics"
	"slipway.dev/observability/resource"
	"slipway.dev/server/front"
)

// resourcePort of metrics.k8s.io on loopback, for the API server alone.
const resourcePort = 10261

// openResource registers metrics.k8s.io with the API server and opens its listener, where
// only the API server's own client certificate is let in.
func (s *services) openResource(ctx context.Context) error {
	ca, err := os.ReadFile(s.cluster.pki.CA)
	if err != nil {
		return err
	}
	proxy, err := os.ReadFile(s.cluster.pki.FrontProxyCA)
	if err != nil {
		return err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(proxy) {
		return fmt.Errorf("%s: no certificate", s.cluster.pki.FrontProxyCA)
	}
	admin, err := kube.New(s.cluster.admin)
	if err != nil {
		return err
	}
	if err := addons.ResourceMetrics(ctx, admin, resourcePort, ca); err != nil {
		return err
	}
	own := front.Pair(s.cluster.pki.Front)
	s.resource, err = tls.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", resourcePort), &tls.Config{
		MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: front.Certificates(own, front.Pair{}),
	})
	return err
}

// serveResource answers metrics.k8s.io until ctx ends.
func (s *services) serveResource(ctx context.Context) error {
	h := &resource.Handler{
		Reader: s.manager.GetClient(), Interval: s.conf.ScrapeInterval,
		Query: func(ctx context.Context, promql string) (model.Vector, error) {
			return s.observe.Vector(ctx, metrics.Scope{All: true}, promql)
		},
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(s.resource); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
