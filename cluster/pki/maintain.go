package pki

import (
	"context"
	"log/slog"
	"time"
)

// maintainEvery is short, as a look costs next to nothing: what went missing or is of
// another time than this clock's is put right before anybody asks why.
const maintainEvery = time.Minute

// Maintain calls Ensure now and then until ctx ends, so that a server that runs for years
// never meets an expired certificate. Whoever uses the files reads them again by itself:
// servers at the next handshake or change of the file, Kubernetes' clients within minutes.
func Maintain(ctx context.Context, dir string, o Options, log *slog.Logger) {
	maintain(ctx, dir, o, maintainEvery, log)
}

func maintain(ctx context.Context, dir string, o Options, every time.Duration, log *slog.Logger) {
	o.Renewed = func(file string) { log.Info("certificate renewed", "file", file) }
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if _, err := Ensure(dir, o); err != nil {
				log.Error("certificates not renewed", "err", err)
			}
		}
	}
}
