package observe

import (
	"context"
	"log/slog"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"slipway.dev/observability/elastic/remote"
	"slipway.dev/observability/logs"
)

// Logs are where lines come from besides our own collectors, and go to besides the store.
type Logs struct {
	Input         logs.Input
	Fluent        logs.Fluent
	Elasticsearch remote.Remote
	// Buffer is how many bytes wait on disk for each that is away.
	Buffer int64
}

// start opens what is configured, in dir.
func (l *Logs) start(ctx context.Context, g *errgroup.Group, dir string, store *logs.Store, log *slog.Logger) error {
	type output interface {
		logs.Output
		Open() error
	}
	outputs := map[string]output{}
	if l.Fluent.Address != "" {
		outputs["fluent"] = &l.Fluent
	}
	if l.Elasticsearch.URL != "" {
		outputs["elasticsearch"] = &l.Elasticsearch
	}
	for name, out := range outputs {
		if err := out.Open(); err != nil {
			return err
		}
		spool, err := logs.OpenSpool(filepath.Join(dir, "buffer", name), l.Buffer, out, log)
		if err != nil {
			return err
		}
		store.Copy(spool)
		g.Go(func() error { return spool.Run(ctx) })
	}
	if l.Input.Address == "" {
		return nil
	}
	r, listener, err := l.Input.Listen(store, log)
	if err != nil {
		return err
	}
	g.Go(func() error { return r.Serve(ctx, listener) })
	return nil
}
