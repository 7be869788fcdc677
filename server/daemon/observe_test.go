package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/server/config"
)

// TestFilesOfTheChildAreCheckedFirst: a wrong one is told before anything is started.
func TestFilesOfTheChildAreCheckedFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	for name, tc := range map[string]struct {
		text, want string
		set        func(*config.Config)
	}{
		"alerts":       {"route: {receiver: nobody}\nreceivers: [{name: team}]\n", `undefined receiver "nobody"`, func(c *config.Config) { c.Alerts.Config = file }},
		"remote write": {"- url: ://\n", "metrics.remoteWrite", func(c *config.Config) { c.Metrics.RemoteWrite = file }},
		"credentials": {"", "is empty", func(c *config.Config) {
			c.Metrics.PrometheusURL, c.Metrics.PrometheusCredentials = "https://p.example", file
		}},
	} {
		if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var conf config.Config
		if err := checkObserved(conf, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		tc.set(&conf)
		if err := checkObserved(conf, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
