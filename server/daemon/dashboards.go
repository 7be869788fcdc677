package daemon

import (
	"context"
	"path/filepath"

	"slipway.dev/observability/dashboard/stored"
	"slipway.dev/server/boards"
)

// openDashboards follows the dashboards that repositories keep.
func (s *services) openDashboards(context.Context) (err error) {
	if s.boards, err = stored.Open(filepath.Join(s.conf.DataDir, "dashboards")); err != nil {
		return err
	}
	f := &boards.Follower{
		Client: s.manager.GetClient(), Git: s.git.Store, Store: s.boards, Events: s.manager.GetEventRecorder("slipway"), Log: s.log.With("part", "dashboards"),
		Changed: func() {
			if s.grafana != nil {
				s.grafana.Trigger()
			}
		},
	}
	return f.SetupWithManager(s.manager)
}
