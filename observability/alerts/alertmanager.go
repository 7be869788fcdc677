package alerts

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/api"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
)

const (
	retention    = 120 * time.Hour // of silences that are over and of what was notified
	maintenance  = 15 * time.Minute
	collectAfter = 30 * time.Minute
	maxSilences  = 10_000
	maxSilence   = 64 << 10
	perAlertName = 10_000
)

// Options of an Alertmanager.
type Options struct {
	// Dir keeps silences and what has been notified.
	Dir string
	// Config is a file in Alertmanager's form; empty: alerts are shown and sent nowhere.
	Config string
	// URL that links in notifications begin with.
	URL string
}

// Alertmanager is a running one.
type Alertmanager struct {
	alerts     *mem.Alerts
	silences   *silence.Silences
	log        *nflog.Log
	inhibitor  *inhibit.Inhibitor
	dispatcher *dispatch.Dispatcher
	handler    http.Handler
	dir        string
	keeping    sync.Mutex // one writer of the file of silences
}

// Load reads a configuration as Alertmanager does, or the default one.
func Load(file string) (*config.Config, error) {
	if file == "" {
		return config.Load(defaultConfig)
	}
	c, err := config.LoadFile(file)
	if err != nil {
		return nil, fmt.Errorf("alerts.config %s: %w", file, err)
	}
	return c, nil
}

// Open reads the state in o.Dir and starts to dispatch when Run is called.
func Open(o Options, reg prometheus.Registerer, log *slog.Logger) (_ *Alertmanager, err error) {
	conf, err := Load(o.Config)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	external, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	// Alertmanager's own features are off; the parser of matchers is a setting of the process.
	flags := featurecontrol.NoopFlags{}
	compat.InitFromFlags(log, flags)
	var none eventrecorder.Recorder
	a := &Alertmanager{dir: o.Dir}
	if a.log, err = nflog.New(nflog.Options{SnapshotFile: a.file("nflog"), Retention: retention, Logger: log, Metrics: reg}); err != nil {
		return nil, fmt.Errorf("alerts: what was notified: %w", err)
	}
	a.silences, err = silence.New(silence.Options{
		SnapshotFile: a.file("silences"), Retention: retention, Logger: log, Metrics: reg, EventRecorder: none,
		Limits: silence.Limits{MaxSilences: func() int { return maxSilences }, MaxSilenceSizeBytes: func() int { return maxSilence }},
	})
	if err != nil {
		return nil, fmt.Errorf("alerts: silences: %w", err)
	}
	silencer := silence.NewSilencer(a.silences, log, none)
	if a.alerts, err = mem.NewAlerts(context.Background(), collectAfter, perAlertName, silencer, log, none, reg, flags); err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	groups := marker.NewGroupMarker()
	h, err := api.New(api.Options{
		Alerts: a.alerts, Silences: a.silences, GroupMutedFunc: groups.Muted, Logger: log, Registry: reg, Timeout: 30 * time.Second,
		RequestDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "alertmanager_http_request_duration_seconds"}, []string{"handler", "method", "code"}),
		GroupFunc: func(ctx context.Context, routes func(*dispatch.Route) bool, which func(*alert.Alert, time.Time) bool) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
			return a.dispatcher.Groups(ctx, routes, which)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	tmpl, err := template.FromGlobs(conf.Templates)
	if err != nil {
		return nil, fmt.Errorf("alerts: templates: %w", err)
	}
	tmpl.ExternalURL = external
	routes := dispatch.NewRoute(conf.Route, nil)
	receivers := map[string][]notify.Integration{}
	for _, r := range conf.Receivers {
		if receivers[r.Name], err = receiver.BuildReceiverIntegrations(r, tmpl, log); err != nil {
			return nil, fmt.Errorf("alerts: receiver %s: %w", r.Name, err)
		}
	}
	intervals := map[string][]timeinterval.TimeInterval{}
	for _, t := range conf.MuteTimeIntervals {
		intervals[t.Name] = t.TimeIntervals
	}
	for _, t := range conf.TimeIntervals {
		intervals[t.Name] = t.TimeIntervals
	}
	a.inhibitor = inhibit.NewInhibitor(a.alerts, conf.InhibitRules, log, none)
	wait := func() time.Duration { return 0 } // there is one of us
	stages := notify.NewPipelineBuilder(reg, flags, none).New(receivers, wait, a.inhibitor, silencer, timeinterval.NewIntervener(intervals), groups, a.log, nil)
	h.Update(conf, func(ctx context.Context, l model.LabelSet) {
		a.inhibitor.Mutes(ctx, l)
		silencer.Mutes(ctx, l)
	})
	atLeast := func(d time.Duration) time.Duration { return max(d, notify.MinTimeout) }
	a.dispatcher = dispatch.NewDispatcher(a.alerts, routes, stages, groups, atLeast, collectAfter, nil, log, none, dispatch.NewDispatcherMetrics(false, reg, flags), tmpl)
	a.handler = a.durable(h.Register(route.New(), "/"))
	return a, nil
}

func (a *Alertmanager) file(name string) string { return filepath.Join(a.dir, name) }

// Handler serves Alertmanager's /api/v2 below that path.
func (a *Alertmanager) Handler() http.Handler { return a.handler }

// Put takes alerts that fire, or that have ended.
func (a *Alertmanager) Put(ctx context.Context, alerts ...*alert.Alert) error {
	return a.alerts.Put(ctx, alerts...)
}

// Run inhibits and dispatches until ctx ends, and then writes the state.
func (a *Alertmanager) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { a.log.Maintenance(maintenance, a.file("nflog"), ctx.Done(), nil) })
	wg.Go(func() { a.silences.Maintenance(maintenance, a.file("silences"), ctx.Done(), a.maintain) })
	wg.Go(a.inhibitor.Run)
	a.inhibitor.WaitForLoading()
	wg.Go(func() { a.dispatcher.Run(time.Now()) })
	a.dispatcher.WaitForLoading()
	<-ctx.Done()
	a.dispatcher.Stop()
	a.inhibitor.Stop()
	wg.Wait()
	a.alerts.Close()
	return nil
}
