// Package logstest runs a real log store for the tests of what is built on one.
//
// Start at Run.
package logstest

import (
	"context"
	"log/slog"
	"testing"

	"slipway.dev/observability/logs"
)

// Run a store in dir until it is stopped, which may be asked for again, or the test ends.
func Run(t testing.TB, dir string) (store *logs.Store, stop func()) {
	t.Helper()
	store, err := logs.OpenStore(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- store.Run(ctx)
		close(done)
	}()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return store, stop
}
