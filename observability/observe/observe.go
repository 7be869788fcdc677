// Package observe owns the `slipway observe` child: the metric store and the
// log store in a process of their own, served on two sockets that only root can
// open. It never authorises: the front door does before it passes a request on.
//
// Start at Run (the child) and Client (the server's side).
package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"slipway.dev/observability/alerts"
	"slipway.dev/observability/elastic"
	"slipway.dev/observability/logs"
	"slipway.dev/observability/metrics"
	"slipway.dev/observability/monitors"
)

// Config is what the child is started with, as JSON in a file.
type Config struct {
	// MetricsDir and LogsDir hold the stores.
	MetricsDir, LogsDir string
	// DataDir is the server's: mounts below it are no file systems of the node.
	DataDir string
	// Socket answers queries, Forward takes log chunks.
	Socket, Forward string
	// Logs are where lines come from and go to besides.
	Logs    Logs
	Metrics metrics.Options
	Alerts  alerts.Options
}

// Run serves the stores until ctx ends.
func Run(ctx context.Context, file string, log *slog.Logger) error {
	if err := logs.LimitMemory(); err != nil {
		return err
	}
	var c Config
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	store, err := logs.OpenStore(c.LogsDir, log.With("part", "logs"))
	if err != nil {
		return err
	}
	g.Go(func() error { return store.Run(ctx) })
	es, err := elastic.New(store, filepath.Join(c.LogsDir, "elastic.json"), log.With("part", "elastic"))
	if err != nil {
		return err
	}
	g.Go(func() error { return es.Run(ctx) })
	c.Logs.Elasticsearch.Own = es.UUID
	if err := c.Logs.start(ctx, g, c.LogsDir, store, log.With("part", "logs")); err != nil {
		return err
	}
	out := &output{dir: filepath.Join(c.LogsDir, "buffer", "stack"), max: c.Logs.Buffer, store: store, log: log.With("part", "logs")}
	if err := out.open(ctx); err != nil {
		return err
	}
	g.Go(func() error { return out.run(ctx) })
	forward, err := listen(c.Forward)
	if err != nil {
		return err
	}
	receiver := &logs.Receiver{Own: true, Keep: store.Receive, Log: log.With("part", "logs")}
	g.Go(func() error { return receiver.Serve(ctx, forward) })

	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), outputFigures{store.Outputs})
	am, err := alerts.Open(c.Alerts, reg, log.With("part", "alerts"))
	if err != nil {
		return err
	}
	g.Go(func() error { return am.Run(ctx) })
	notify := notifier(am, c.Alerts.URL, func(err error) { log.Warn("alerts that are not taken", "err", err) })
	m, err := metrics.Open(ctx, c.MetricsDir, c.Metrics, notify, reg, log.With("part", "metrics"))
	if err != nil {
		return err
	}
	g.Go(func() error { return m.Run(ctx) })
	cluster, err := clusterConfig(c.Metrics.Targets.Kubeconfig)
	if err != nil {
		return err
	}
	users := &monitors.Watcher{Config: cluster, Kubeconfig: c.Metrics.Targets.Kubeconfig, Prometheus: m, Log: log.With("part", "monitors")}
	g.Go(func() error { return users.Run(ctx) })

	mux := http.NewServeMux()
	mux.Handle("/prometheus/", http.StripPrefix("/prometheus", m.Handler()))
	mux.Handle(embedded+"/", http.StripPrefix(embedded, m.Embedded()))
	mux.HandleFunc("GET "+elsewherePath, elsewhere(m))
	mux.Handle("/elastic/", http.StripPrefix("/elastic", es))
	other := &searched{configured: &c.Logs.Elasticsearch}
	from := readers{store, other}
	mux.Handle("/alertmanager/", http.StripPrefix("/alertmanager", am.Handler()))
	mux.HandleFunc("GET /logs", search(from))
	mux.HandleFunc("GET /logs/outputs", outputs(store))
	if err := figures(ctx, mux, c, cluster, reg, log); err != nil {
		return err
	}
	mux.HandleFunc("PUT "+outputPath, out.put)
	mux.HandleFunc("DELETE "+outputPath, out.delete)
	mux.HandleFunc("PUT "+readPath, other.put)
	mux.HandleFunc("DELETE "+readPath, other.delete)
	mux.HandleFunc("GET /logs/overview", overview(from))
	mux.HandleFunc("GET /logs/context", around(from))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	l, err := listen(c.Socket)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return srv.Close()
	})
	return g.Wait()
}

// listen replaces a socket that a killed predecessor left.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o600)
}
