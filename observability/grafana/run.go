package grafana

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Every is how often it is looked whether everything is still right.
const Every = 5 * time.Minute

func retries() wait.Backoff {
	return wait.Backoff{Duration: 5 * time.Second, Factor: 2, Steps: 100, Cap: Every}
}

// Run passes until ctx ends: at once, when it is asked to, and every few minutes; after a
// failure, or where something could not be looked up, sooner at first, then as seldom.
// What goes wrong is logged when it changes.
func (p *Provisioner) Run(ctx context.Context) error {
	again := retries()
	for {
		err := p.pass(ctx, false)
		if ctx.Err() != nil {
			return nil
		}
		after := Every
		if p.told(err); err != nil && !errors.Is(err, errRemoved) || p.Status().Incomplete {
			after = min(again.Step(), Every)
		} else {
			again = retries()
		}
		timer := time.NewTimer(after)
		select {
		case <-ctx.Done():
		case <-p.trigger:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (p *Provisioner) told(err error) {
	if errors.Is(err, errRemoved) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.status.Problem
	p.status.Tried = time.Now()
	if err == nil {
		p.status.Passed, p.status.Problem = p.status.Tried, ""
		if before != "" {
			p.Log.Info("grafana is as it should be again", "dashboards", p.status.Dashboards)
		}
		return
	}
	if p.status.Problem = err.Error(); before != p.status.Problem {
		p.Log.Warn("grafana", "err", err)
	}
}
