package metrics

import (
	"net/url"
	"slices"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
)

// targets are the scrape manager's in a scope: those whose namespace is seen, and of
// what was dropped nothing, as its labels are not those that it would have had.
type targets struct {
	*scrape.Manager
	scope Scope
}

func (t targets) TargetsActive() map[string][]*scrape.Target {
	all := t.Manager.TargetsActive()
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
		return t.Manager.TargetsDropped()
	}
	return nil
}

func (t targets) TargetsDroppedCounts() map[string]int {
	if t.scope.All {
		return t.Manager.TargetsDroppedCounts()
	}
	return nil
}

func (t targets) ScrapePools() []string {
	if t.scope.All {
		return t.Manager.ScrapePools()
	}
	var pools []string
	for pool := range t.TargetsActive() {
		pools = append(pools, pool)
	}
	slices.Sort(pools)
	return pools
}

func (t targets) ScrapePoolConfig(pool string) (*config.ScrapeConfig, error) {
	return t.Manager.ScrapePoolConfig(pool)
}

// embedded is the Alertmanager of this process, which has no address of its own.
type embedded struct{}

func (embedded) Alertmanagers() []*url.URL        { return nil }
func (embedded) DroppedAlertmanagers() []*url.URL { return nil }
