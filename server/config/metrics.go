package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
)

// Metrics is what the embedded Prometheus keeps and takes.
type Metrics struct {
	// Retention is how long samples are kept, MaxBytes how much they may take on disk;
	// what comes first counts.
	Retention time.Duration `yaml:"retention"`
	MaxBytes  int64         `yaml:"maxBytes"`
	// MaxSeries that a namespace's targets and rules may bring it to have in memory.
	MaxSeries int `yaml:"maxSeries"`
	// RemoteWrite is a file with a list of remote_write in Prometheus' form: who gets every
	// sample as well.
	RemoteWrite string `yaml:"remoteWrite"`
	// PrometheusURL is of a Prometheus that answers queries in place of the embedded one,
	// PrometheusCredentials a file with its token or USER:PASSWORD, PrometheusCA the
	// authority of its certificate.
	PrometheusURL         string `yaml:"prometheusURL"`
	PrometheusCredentials string `yaml:"prometheusCredentials"`
	PrometheusCA          string `yaml:"prometheusCA"`
	// ReceiveWrites lets other Prometheus servers write in.
	ReceiveWrites bool `yaml:"receiveWrites"`
}

// Alerts is where alerts go.
type Alerts struct {
	// Config is a file in Alertmanager's form, with receivers and routes. Without one alerts
	// are shown and sent nowhere.
	Config string `yaml:"config"`
}

// existing is the absolute path of a file that a setting names; empty stays so.
func existing(setting, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	abs, err := filepath.Abs(file)
	if err == nil {
		_, err = os.Stat(abs)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	return abs, nil
}

// minMetrics on disk: a day of an idle cluster has room in it.
const minMetrics = 64 << 20

// minSeries of a namespace: what the cluster itself says about a small one counts too.
const minSeries = 1000

func (m *Metrics) flags(fs *pflag.FlagSet) {
	fs.DurationVar(&m.Retention, "metrics-retention", m.Retention, "how long samples are kept; metrics.retention in the file")
	fs.Int64Var(&m.MaxBytes, "metrics-max-bytes", m.MaxBytes, "bytes that samples may take on disk before the oldest go; metrics.maxBytes in the file")
	fs.IntVar(&m.MaxSeries, "metrics-max-series", m.MaxSeries, "series that a namespace's own targets and rules may bring it to have in memory; metrics.maxSeries in the file")
	fs.StringVar(&m.RemoteWrite, "metrics-remote-write", m.RemoteWrite, "file with whom samples are sent to besides, a list of remote_write in Prometheus' form; metrics.remoteWrite in the file")
	fs.StringVar(&m.PrometheusURL, "metrics-prometheus-url", m.PrometheusURL, "URL of a Prometheus that answers queries in place of the embedded one; metrics.prometheusURL in the file")
	fs.StringVar(&m.PrometheusCredentials, "metrics-prometheus-credentials", m.PrometheusCredentials, "file with a bearer token for it, or USER:PASSWORD; metrics.prometheusCredentials in the file")
	fs.StringVar(&m.PrometheusCA, "metrics-prometheus-ca", m.PrometheusCA, "file with the authority of its certificate; metrics.prometheusCA in the file")
	fs.BoolVar(&m.ReceiveWrites, "metrics-receive-writes", m.ReceiveWrites, "let other Prometheus servers write in at /prometheus/api/v1/write; metrics.receiveWrites in the file")
}

func (m *Metrics) check() (err error) {
	if m.RemoteWrite, err = existing("metrics.remoteWrite", m.RemoteWrite); err != nil {
		return err
	}
	if m.PrometheusURL != "" && !isServer(m.PrometheusURL) {
		return errors.New("metrics.prometheusURL: want a URL such as https://prometheus.example, without credentials")
	}
	if m.PrometheusCredentials, err = existing("metrics.prometheusCredentials", m.PrometheusCredentials); err != nil {
		return err
	}
	if m.PrometheusCA, err = existing("metrics.prometheusCA", m.PrometheusCA); err != nil {
		return err
	}
	if m.Retention < 2*time.Hour {
		return fmt.Errorf("metrics.retention %s: at least 2h, as much as is in memory anyway", m.Retention)
	}
	if m.MaxBytes < minMetrics {
		return fmt.Errorf("metrics.maxBytes %d: at least %d", m.MaxBytes, minMetrics)
	}
	if m.MaxSeries < minSeries {
		return fmt.Errorf("metrics.maxSeries %d: at least %d", m.MaxSeries, minSeries)
	}
	return nil
}
