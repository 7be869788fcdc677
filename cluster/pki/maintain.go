package pki

import (
	"context"
	"log/slog"
	"time"
)

// Maintain calls Ensure twice a day until ctx ends, so that a server that runs for
// years never meets an expired certificate.
func Maintain(ctx context.Context, dir string, o Options, log *slog.Logger) {
	t := time.NewTicker(12 * time.Hour)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if _, err := Ensure(dir, o); err != nil {
				log.Error("certificates not renewed", "error", err)
			}
		}
	}
}
