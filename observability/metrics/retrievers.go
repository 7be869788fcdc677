package metrics

import (
	"maps"
	"net/url"
	"slices"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
)

// targets are those of the scrapers in a scope: those whose namespace is seen, and of
// what was dropped nothing, as its labels are not those that it would have had.
type targets struct {
	of    []*scrape.Manager
	scope Scope
}

func (t targets) TargetsActive() map[string][]*scrape.Target {
	all := union(t.of, (*scrape.Manager).TargetsActive)
	if t.scope.All {
		return all
	}
	var b labels.Builder
	seen := map[string][]*scrape.Target{}
	for pool, ts := range all {
		for _, target := range ts {
			if t.scope.sees(target.Labels(&b)) {
				seen[pool] = append(seen[pool], target)
			}
		}
	}
	return seen
}

func (t targets) TargetsDropped() map[string][]*scrape.Target {
	if t.scope.All {
		return union(t.of, (*scrape.Manager).TargetsDropped)
	}
	return nil
}

func (t targets) TargetsDroppedCounts() map[string]int {
	if t.scope.All {
		return union(t.of, (*scrape.Manager).TargetsDroppedCounts)
	}
	return nil
}

func (t targets) ScrapePools() []string {
	var pools []string
	if t.scope.All {
		for _, m := range t.of {
			pools = append(pools, m.ScrapePools()...)
		}
	} else {
		pools = slices.Collect(maps.Keys(t.TargetsActive()))
	}
	slices.Sort(pools)
	return pools
}

func (t targets) ScrapePoolConfig(pool string) (c *config.ScrapeConfig, err error) {
	for _, m := range t.of {
		if c, err = m.ScrapePoolConfig(pool); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// union of what each scraper has; no two have a job of the same name.
func union[V any](of []*scrape.Manager, each func(*scrape.Manager) map[string]V) map[string]V {
	all := map[string]V{}
	for _, m := range of {
		maps.Copy(all, each(m))
	}
	return all
}

// embedded is the Alertmanager of this process, which has no address of its own.
type embedded struct{}

func (embedded) Alertmanagers() []*url.URL        { return nil }
func (embedded) DroppedAlertmanagers() []*url.URL { return nil }
