//go:build e2e

package controlplane

import (
	"context"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/cluster/pki"
)

// TestControlPlane starts a control plane in an empty directory, uses it as the parts
// and people of a cluster do, and stops it. Run it in a network namespace of its own with loopback up.
func TestControlPlane(t *testing.T) {
	level := slog.LevelInfo
	if os.Getenv("SLIPWAY_DEBUG") != "" {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	dir := t.TempDir()
	began := time.Now()
	files, err := pki.Ensure(dir+"/pki", pki.Options{NodeName: "e2e", NodeIP: net.ParseIP("10.41.0.1"), ServiceIP: net.ParseIP("10.43.0.1")})
	require.NoError(t, err)
	t.Logf("pki after %s", time.Since(began))
	config := Config{DataDir: dir, PKI: files, NodeIP: net.ParseIP("10.41.0.1"), Log: log, FeatureGates: map[string]bool{"EventedPLEG": true}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cp, err := Start(ctx, config)
	require.NoError(t, err)
	t.Cleanup(cp.Stop)
	t.Logf("ready after %s", time.Since(began))

	_, err = Start(ctx, config)
	require.ErrorContains(t, err, "in use by another server")

	useCluster(t, ctx, cp, files, dir)
	t.Logf("controllers work after %s", time.Since(began))
	select {
	case err := <-cp.Failed():
		t.Fatal(err)
	default:
	}
	began = time.Now()
	cp.Stop()
	t.Logf("stop took %s", time.Since(began))
	encrypted(t, dir)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("not in a minute: %s", what)
		case <-tick.C:
		}
	}
}
