package metrics

import (
	"fmt"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
)

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
// they had. Names of jobs must differ.
func (m *Metrics) UseScrapes(users []*config.ScrapeConfig) error {
	text, err := m.opts.Targets.render()
	if err != nil {
		return err
	}
	conf, err := config.Load(text, m.log)
	if err != nil {
		return err
	}
	conf.RemoteWriteConfigs = m.conf.Load().RemoteWriteConfigs
	conf.ScrapeConfigs = append(conf.ScrapeConfigs, users...)
	if err := m.scrape.ApplyConfig(conf); err != nil {
		return fmt.Errorf("scrape configuration: %w", err)
	}
	m.conf.Store(conf)
	return m.discover.ApplyConfig(discoveries(conf))
}

func discoveries(c *config.Config) map[string]discovery.Configs {
	out := map[string]discovery.Configs{}
	for _, s := range c.ScrapeConfigs {
		out[s.JobName] = s.ServiceDiscoveryConfigs
	}
	return out
}
