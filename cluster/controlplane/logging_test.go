package controlplane

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestWhatIsNoNews is not told, and what is is.
func TestWhatIsNoNews(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(quiet{slog.NewTextHandler(&out, nil)})
	log.Info("started")
	log.Warn("failed to publish local member to cluster through raft", "error", "etcdserver: too many requests")
	log.Error("Unhandled Error", "err", errors.New(`v1beta1.metrics.k8s.io failed with: failing or missing response`), "logger", "UnhandledError")
	if out.Len() > 0 {
		t.Errorf("told: %s", out.String())
	}
	log.Warn("certificate ends soon")
	log.Error("Unhandled Error", "err", errors.New(`v1.apps failed`))
	if got := strings.Count(out.String(), "\n"); got != 2 {
		t.Errorf("%d lines: %s", got, out.String())
	}
}
