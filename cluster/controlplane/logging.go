package controlplane

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	"k8s.io/klog/v2"
)

// noise is what upstream logs as a warning or an error at every start or stop although
// nothing is wrong; real failures of the same kind come out of Failed as well.
var noise = map[string]bool{
	"The manifest file is empty, ignoring.":                                                true,
	"setting up serving from embedded etcd failed.":                                        true,
	"stopping secure grpc server due to error":                                             true,
	"stopped secure grpc server due to error":                                              true,
	"simple token is not cryptographically signed":                                         true,
	"Running http and grpc server on single port. This is not recommended for production.": true,
	"Failed to ensure lease exists, will retry":                                            true,
	"failed to publish local member to cluster through raft":                               true, // while it reads what it has after a kill
}

// stopping says that Stop has begun: from then on every component complains of the
// others' absence, and none of it matters.
var stopping atomic.Bool

// quiet passes warnings and errors on and turns information and noise into debug lines.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return q.Handler.Enabled(ctx, demote(l))
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = demote(r.Level)
	if noise[r.Message] || stopping.Load() || ofTheMetricsAPI(r) {
		r.Level = slog.LevelDebug
	}
	if !q.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

// metricsAPI is served by a child, which a start of the server comes before; of one that does
// not run the status speaks.
const metricsAPI = "metrics.k8s.io"

func ofTheMetricsAPI(r slog.Record) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == "err" && strings.Contains(a.Value.String(), metricsAPI)
		return !found
	})
	return found
}

func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }
func (q quiet) WithGroup(name string) slog.Handler   { return quiet{q.Handler.WithGroup(name)} }

func demote(l slog.Level) slog.Level {
	if l >= slog.LevelInfo && l < slog.LevelWarn {
		return slog.LevelDebug
	}
	return l
}

// logKubernetes sends what Kubernetes logs to log, for the whole process.
func logKubernetes(log *slog.Logger) {
	klog.SetSlogLogger(slog.New(quiet{log.Handler()}).With("component", "kubernetes"))
}
