package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"golang.org/x/sync/errgroup"
)

// podsJob scrapes the annotated pods of users; it ships and is as confined as they are.
const podsJob = "pods"

// newScrapes makes the two that scrape: m.scrape for the shipped jobs and for those that
// an administrator lifted, m.users for what is confined to a namespace, which reaches no
// machine and creates no more series than its namespace may.
func (m *Metrics) newScrapes(reg prometheus.Registerer) (err error) {
	scraper := func(of string, dial commonconfig.HTTPClientOption, into storage.AppendableV2) (*scrape.Manager, error) {
		return scrape.NewManager(&scrape.Options{
			DiscoveryReloadInterval:  model.Duration(reloadInterval),
			DiscoveryReloadOnStartup: true,
			HTTPClientOptions:        []commonconfig.HTTPClientOption{dial},
		}, m.log, nil, nil, into, prometheus.WrapRegistererWith(prometheus.Labels{"targets": of}, reg))
	}
	if m.scrape, err = scraper("cluster", m.opts.Targets.dial(), m.store); err != nil {
		return err
	}
	m.users, err = scraper("namespaces", m.guarded(), ofNamespaces(m.within()))
	return err
}

func (m *Metrics) scrapers() []*scrape.Manager { return []*scrape.Manager{m.scrape, m.users} }

// ParseScrape reads one scrape configuration in Prometheus' form, with the defaults that
// the shipped ones have.
func (m *Metrics) ParseScrape(text []byte) (*config.ScrapeConfig, error) {
	c, err := config.Load(fmt.Sprintf("global: {scrape_interval: %s, scrape_timeout: %s, extra_scrape_metrics: true}\nscrape_configs: [%s]\n",
		m.opts.Targets.Interval, min(m.opts.Targets.Interval, scrapeTimeoutMax), text), m.log)
	if err != nil {
		return nil, err
	}
	if len(c.ScrapeConfigs) != 1 {
		return nil, fmt.Errorf("%d scrape configurations, want one", len(c.ScrapeConfigs))
	}
	return c.ScrapeConfigs[0], nil
}

// UseScrapes scrapes what users configured, besides the shipped jobs and in place of what
// they had: confined jobs are those of one namespace, open ones reach everything. Names of
// jobs must differ.
func (m *Metrics) UseScrapes(confined, open []*config.ScrapeConfig) error {
	conf, err := m.shipped()
	if err != nil {
		return err
	}
	conf.RemoteWriteConfigs = m.conf.Load().RemoteWriteConfigs
	conf.ScrapeConfigs = append(append(conf.ScrapeConfigs, confined...), open...)
	names := map[string]bool{podsJob: true}
	for _, c := range confined {
		names[c.JobName] = true
	}
	m.confined.Store(&names)
	if err := m.applyScrapes(conf); err != nil {
		return err
	}
	m.conf.Store(conf)
	return m.discover.ApplyConfig(discoveries(conf))
}

// shipped is the configuration without users.
func (m *Metrics) shipped() (*config.Config, error) {
	text, err := m.opts.Targets.render()
	if err != nil {
		return nil, fmt.Errorf("scrape configuration: %w", err)
	}
	conf, err := config.Load(text, m.log)
	if err != nil {
		return nil, fmt.Errorf("scrape configuration: %w", err)
	}
	return conf, nil
}

// applyScrapes gives each of the two its jobs.
func (m *Metrics) applyScrapes(conf *config.Config) error {
	own, users := *conf, *conf
	own.ScrapeConfigs, users.ScrapeConfigs = nil, nil
	confined := *m.confined.Load()
	for _, c := range conf.ScrapeConfigs {
		if confined[c.JobName] {
			users.ScrapeConfigs = append(users.ScrapeConfigs, c)
		} else {
			own.ScrapeConfigs = append(own.ScrapeConfigs, c)
		}
	}
	if err := errors.Join(m.scrape.ApplyConfig(&own), m.users.ApplyConfig(&users)); err != nil {
		return fmt.Errorf("scrape configuration: %w", err)
	}
	return nil
}

func discoveries(c *config.Config) map[string]discovery.Configs {
	out := map[string]discovery.Configs{}
	for _, s := range c.ScrapeConfigs {
		out[s.JobName] = s.ServiceDiscoveryConfigs
	}
	return out
}

// runScrapes hands what is discovered to the one whose job it is for, until ctx ends.
func (m *Metrics) runScrapes(ctx context.Context, g *errgroup.Group) {
	type groups = map[string][]*targetgroup.Group
	own, users := make(chan groups), make(chan groups)
	g.Go(func() error { return m.scrape.Run(own) })
	g.Go(func() error { return m.users.Run(users) })
	g.Go(func() error {
		send := func(to chan groups, what groups) {
			select {
			case to <- what:
			case <-ctx.Done():
			}
		}
		for {
			select {
			case <-ctx.Done():
				return nil
			case found, ok := <-m.discover.SyncCh():
				if !ok {
					return nil
				}
				confined := *m.confined.Load()
				of := func(want bool) groups {
					some := maps.Clone(found)
					maps.DeleteFunc(some, func(job string, _ []*targetgroup.Group) bool { return confined[job] != want })
					return some
				}
				send(own, of(false))
				send(users, of(true))
			}
		}
	})
}

// byName is what was refused of a target because of a rule of ours, which its owner can mend.
var byName = regexp.MustCompile(`limit exceeded|` + regexp.QuoteMeta(ErrMachine.Error()))

// Refusals are the targets of which nothing is stored because they go over a limit, or
// are where their object may not reach: by job, the first target and why.
func (m *Metrics) Refusals() map[string]string {
	out := map[string]string{}
	for _, s := range m.scrapers() {
		for job, targets := range s.TargetsActive() {
			i := slices.IndexFunc(targets, func(t *scrape.Target) bool { return t.LastError() != nil && byName.MatchString(t.LastError().Error()) })
			if i >= 0 {
				out[job] = fmt.Sprintf("target %s: %s", targets[i].URL().Host, targets[i].LastError())
			}
		}
	}
	return out
}
