package metrics

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/grafana/regexp"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/notifications"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// version of the Prometheus that is linked.
const version = "3.16.0"

// api is the one place that knows the positional parameters of v1.NewAPI,
// which change with each Prometheus release (these are of 0.316).
func (m *Metrics) api(engine *promql.Engine, p parser.Parser, dir string, reg *prometheus.Registry) http.Handler {
	started := time.Now()
	db := confined{m.db}
	a := v1.NewAPI(
		engine, db, written(m.store), confinedExemplars{m.db},
		func(ctx context.Context) v1.ScrapePoolsRetriever {
			return targets{m.scrapers(), scopeOf(ctx)}
		},
		func(ctx context.Context) v1.TargetRetriever {
			return targets{m.scrapers(), scopeOf(ctx)}
		},
		func(context.Context) v1.AlertmanagerRetriever { return embedded{} },
		func() config.Config { return *m.conf.Load() },
		m.opts.flags(),
		v1.GlobalURLOptions{ListenAddress: "127.0.0.1:0", Host: "127.0.0.1", Scheme: "http"},
		func(h http.HandlerFunc) http.HandlerFunc { return h },
		admin{m.db}, dir, false, false, 0, m.log,
		func(ctx context.Context) v1.RulesRetriever { return rulesOf{m.rules, scopeOf(ctx)} },
		5e7, 10, 1<<20, false, regexp.MustCompile("^$"),
		func() (v1.RuntimeInfo, error) {
			return v1.RuntimeInfo{
				StartTime: started, ServerTime: time.Now(), StorageRetention: m.opts.Retention.String(), ReloadConfigSuccess: true, LastConfigTime: started,
				GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0),
			}, nil
		},
		&v1.PrometheusVersion{Version: version, GoVersion: runtime.Version()},
		func() []notifications.Notification { return nil },
		func() (<-chan notifications.Notification, func(), bool) { return nil, nil, false },
		reg, reg, nil,
		m.opts.ReceiveWrites, remoteapi.MessageTypes{remoteapi.WriteV1MessageType, remoteapi.WriteV2MessageType}, false, false, false,
		lookback, false, false, nil,
		features.NewRegistry(),
		v1.OpenAPIOptions{Version: "v1"},
		p, false, queryTimeout,
	)
	r := route.New()
	a.Register(r.WithPrefix("/api/v1"))
	r.Get("/federate", federate(db, p))
	r.Post("/federate", federate(db, p))
	for path, word := range map[string]string{"/-/healthy": "Healthy", "/-/ready": "Ready"} {
		says := func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, "Prometheus Server is %s.\n", word)
		}
		r.Get(path, says)
		r.Head(path, says)
	}
	return door(r)
}

// admin adds to the database the figures that the status routes show.
type admin struct{ *tsdb.DB }

func (a admin) Stats(label string, limit int) (*tsdb.Stats, error) {
	return a.Head().Stats(label, limit), nil
}

func (a admin) WALReplayStatus() (tsdb.WALReplayStatus, error) { return tsdb.WALReplayStatus{}, nil }

func (a admin) BlockMetas() ([]tsdb.BlockMeta, error) { return a.DB.BlockMetas(), nil }
