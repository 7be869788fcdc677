package daemon

import (
	"context"
	"path/filepath"

	"slipway.dev/observability/dashboard/stored"
	"slipway.dev/server/boards"
)

// openDashboards follows the dashboards that repositories and ConfigMaps keep, and readies them and those
// of applications for Grafana.
func (s *services) openDashboards(context.Context) (err error) {
	if s.boards, err = stored.Open(filepath.Join(s.conf.DataDir, "dashboards")); err != nil {
		return err
	}
	s.provision = &boards.Provision{
		Store: s.boards, Reader: s.manager.GetClient(), Tenants: s.tenants, Exposed: s.observe.Exposed, Log: s.log.With("part", "grafana"),
	}
	changed := func() {
		if s.grafana != nil {
			s.grafana.Trigger()
		}
	}
	events, log := s.manager.GetEventRecorder("slipway"), s.log.With("part", "dashboards")
	repositories := &boards.Follower{Client: s.manager.GetClient(), Git: s.git.Store, Store: s.boards, Events: events, Log: log, Changed: changed}
	if err := repositories.SetupWithManager(s.manager); err != nil {
		return err
	}
	maps := &boards.ConfigMaps{Reader: s.manager.GetAPIReader(), Store: s.boards, Events: events, Log: log, Changed: changed}
	return maps.SetupWithManager(s.manager)
}

// runGrafana provisions once it is known which applications there are.
func (s *services) runGrafana(ctx context.Context) error {
	if !s.manager.GetCache().WaitForCacheSync(ctx) {
		return nil
	}
	return s.grafana.Run(ctx)
}
