package metrics

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
)

// flushDeadline is how long the end waits for samples that are on their way. What is not
// sent by then is in the write-ahead log and is sent after the next start.
const flushDeadline = 10 * time.Second

// RemoteWrites reads a file with a list of remote_write, in Prometheus' form. An empty
// name is an empty list.
func RemoteWrites(file string, log *slog.Logger) ([]*config.RemoteWriteConfig, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("metrics.remoteWrite: %w", err)
	}
	c, err := config.Load("remote_write:\n"+indented(string(b)), log)
	if err != nil {
		return nil, fmt.Errorf("metrics.remoteWrite %s: %w; want a list, such as `- url: https://metrics.example/api/v1/write`", file, err)
	}
	return c.RemoteWriteConfigs, nil
}

// indented makes a document the value of a key.
func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

// openRemote makes the store one that also sends on what is put into it, where there is
// somebody to send it to.
func (m *Metrics) openRemote(dir string, conf *config.Config, reg prometheus.Registerer) {
	m.store = gate{m.db, m}
	if len(conf.RemoteWriteConfigs) == 0 {
		return
	}
	m.remote = remote.NewStorage(m.log, reg, m.db.StartTime, dir, flushDeadline, (*scrapes)(m), false)
	m.store = gate{storage.NewFanout(m.log, m.db, m.remote), m}
	m.db.SetWriteNotified(m.remote)
}

// startRemote sends from the write-ahead log: an outage of a receiver loses nothing that
// is still in it (two hours).
func (m *Metrics) startRemote(conf *config.Config) error {
	if m.remote == nil {
		return nil
	}
	if err := m.remote.ApplyConfig(conf); err != nil {
		return fmt.Errorf("remote write: %w", err)
	}
	return nil
}

// close sends what is on its way, and closes the database.
func (m *Metrics) close() error {
	var err error
	if m.remote != nil {
		err = m.remote.Close()
	}
	return errors.Join(err, m.db.Close())
}

// scrapes knows the manager, which has the metadata of what is sent.
type scrapes Metrics

// Get implements remote.ReadyScrapeManager.
func (s *scrapes) Get() (*scrape.Manager, error) {
	if s.scrape == nil {
		return nil, errors.New("no scrape manager yet")
	}
	return s.scrape, nil
}
