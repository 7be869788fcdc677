// Package metrics owns the embedded Prometheus: discovery, scraping, the time
// series database and its query API. It runs in the `slipway observe` child, so
// that a query that eats memory takes nothing else with it. It never decides
// who may ask: the front door does, and says with each request whose series it may
// see (Scope), to which every read is narrowed (confine.go).
//
// Start at Open; config.go says what is scraped, door.go which routes there are.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	_ "github.com/prometheus/prometheus/discovery/kubernetes" // role node and pod
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"golang.org/x/sync/errgroup"

	"slipway.dev/cluster/disk"
)

const (
	maxSamples   = 20_000_000
	maxExemplars = 10_000
	queryTimeout = 30 * time.Second
	lookback     = 5 * time.Minute
	// reloadInterval is how long discovered changes are gathered.
	reloadInterval = 2 * time.Second
)

// Metrics is a running Prometheus.
type Metrics struct {
	opts     Options
	db       *tsdb.DB
	conf     atomic.Pointer[config.Config]
	discover *discovery.Manager
	store    storage.Storage                 // db, and whoever else gets what is stored
	remote   *remote.Storage                 // nil: nobody
	scrape   *scrape.Manager                 // shipped and open jobs
	users    *scrape.Manager                 // jobs of namespaces
	confined atomic.Pointer[map[string]bool] // the names of users' jobs
	census   census
	oldest   *disk.Guard // the oldest blocks go when it has no room
	room     *disk.Guard // no samples are stored when it has none
	full     atomic.Pointer[error]
	blocks   atomic.Pointer[tsdb.DB]
	judge    func(address string) error // whether a target of a user may be connected to
	machines atomic.Pointer[[]netip.Addr]
	rules    *rules.Manager
	book     *ruleBook
	embedded http.Handler // answers of what is stored here
	theirs   *foreign     // nil: what is stored here answers
	handler  http.Handler // answers
	log      *slog.Logger
}

// Open opens the database in dir, replays its write-ahead log, and prepares to
// scrape; Run does it. What rules find to fire goes to notify, which may be nil. Figures about Prometheus itself go to reg.
func Open(ctx context.Context, dir string, o Options, notify rules.NotifyFunc, reg *prometheus.Registry, log *slog.Logger) (*Metrics, error) {
	o = o.withDefaults()
	m := &Metrics{opts: o, log: log, census: census{of: map[string]int{}}}
	m.judge = m.mayDial
	m.oldest, m.room = disk.New(dir, max(disk.Logs, o.reserve)), disk.New(dir, max(disk.Metrics, o.reserve))
	m.confined.Store(&map[string]bool{podsJob: true})
	conf, err := m.shipped()
	if err != nil {
		return nil, err
	}
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = o.Retention.Milliseconds()
	opts.MaxBytes = o.MaxBytes
	opts.WALSegmentSize = 16 << 20
	opts.EnableExemplarStorage, opts.MaxExemplars = true, maxExemplars
	opts.SeriesLifecycleCallback = &m.census
	opts.BlocksToDelete, opts.BlockReloadInterval = m.deletable, blockReload
	db, err := tsdb.Open(dir, log, reg, opts, nil)
	if err != nil {
		return nil, fmt.Errorf("metrics store %s: %w", dir, err)
	}
	m.db = db
	m.blocks.Store(db)
	if conf.RemoteWriteConfigs, err = RemoteWrites(o.RemoteWrite, log); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	m.conf.Store(conf)
	m.openRemote(dir, conf, reg)
	sd, err := discovery.CreateAndRegisterSDMetrics(reg)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	m.discover = discovery.NewManager(ctx, log, reg, sd, discovery.Name("scrape"))
	if err := m.newScrapes(reg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := m.applyScrapes(conf); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := m.startRemote(conf); err != nil {
		return nil, errors.Join(err, m.close())
	}
	p := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: log, Reg: reg, MaxSamples: maxSamples, Timeout: queryTimeout, LookbackDelta: lookback,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: p,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Duration(conf.GlobalConfig.ScrapeInterval).Milliseconds() },
	})
	if err := m.newRules(ctx, engine, p, notify, reg); err != nil {
		return nil, errors.Join(err, m.close())
	}
	m.embedded = m.api(engine, p, dir, reg)
	if m.theirs, err = o.Elsewhere.reach(); err != nil {
		return nil, errors.Join(err, m.close())
	}
	m.handler = m.theirs.before(m.embedded)
	return m, nil
}

// Handler serves Prometheus' /api/v1 below that path, and /federate, in the scope that
// ScopeHeader of a request has.
func (m *Metrics) Handler() http.Handler { return m.handler }

// Embedded is Handler for what is stored here, wherever queries are answered otherwise.
func (m *Metrics) Embedded() http.Handler { return m.embedded }

// Run discovers and scrapes until ctx ends, then closes the database.
func (m *Metrics) Run(ctx context.Context) error {
	if err := m.discover.ApplyConfig(discoveries(m.conf.Load())); err != nil {
		return errors.Join(fmt.Errorf("discovery: %w", err), m.close())
	}
	var g errgroup.Group
	g.Go(func() error {
		if err := m.discover.Run(); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("discovery: %w", err)
		}
		return nil
	})
	m.runScrapes(ctx, &g)
	g.Go(func() error {
		m.room.Watch(ctx, roomInterval, m.roomChanged)
		return nil
	})
	g.Go(func() error {
		m.theirs.watch(ctx)
		return nil
	})
	g.Go(func() error {
		m.rules.Run()
		return nil
	})
	<-ctx.Done()
	m.rules.Stop()
	m.scrape.Stop()
	m.users.Stop()
	return errors.Join(g.Wait(), m.close())
}
