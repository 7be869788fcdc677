package metrics

import (
	"strconv"
	"time"
)

// Options of a Metrics.
type Options struct {
	Targets Targets
	// Retention is how long samples are kept, MaxBytes how much they may take on disk;
	// what comes first counts, and the oldest data goes first.
	Retention time.Duration
	MaxBytes  int64
	// MaxSeries that targets and rules of users may bring one namespace to have in memory.
	MaxSeries int
	// URL of the front door, for links in alerts.
	URL string
	// RemoteWrite is a file with whom samples are sent to besides; see RemoteWrites.
	RemoteWrite string
	// Elsewhere answers queries in place of what is stored here.
	Elsewhere Elsewhere
	// reserve of the disk in place of what the server keeps free; for tests.
	reserve uint64
	// ReceiveWrites lets remote write in, at /api/v1/write.
	ReceiveWrites bool
}

// Defaults of what is kept.
const (
	DefaultRetention = 15 * 24 * time.Hour
	DefaultMaxBytes  = 4 << 30
	DefaultMaxSeries = 100_000
)

func (o Options) withDefaults() Options {
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxSeries == 0 {
		o.MaxSeries = DefaultMaxSeries
	}
	return o
}

// flags are the options in the names of Prometheus' own flags, for /api/v1/status/flags.
func (o Options) flags() map[string]string {
	return map[string]string{
		"query.lookback-delta":             lookback.String(),
		"query.max-samples":                strconv.Itoa(maxSamples),
		"query.timeout":                    queryTimeout.String(),
		"storage.tsdb.retention.size":      strconv.FormatInt(o.MaxBytes, 10) + "B",
		"storage.tsdb.retention.time":      o.Retention.String(),
		"web.enable-admin-api":             "false",
		"web.enable-remote-write-receiver": strconv.FormatBool(o.ReceiveWrites),
	}
}
