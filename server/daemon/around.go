package daemon

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/pipelines/environments"
	"slipway.dev/pipelines/run"
	"slipway.dev/pipelines/schedule"
)

// around is what surrounds runs, composed.
type around struct {
	schedules    *schedule.Controller
	environments *environments.Keeper
}

func (s *services) openAround(context.Context) error {
	log, mc := s.log.With("part", "pipelines"), s.manager.GetClient()
	s.around = &around{
		schedules:    &schedule.Controller{Client: mc, NewRun: run.ForRef, Log: log},
		environments: &environments.Keeper{Client: mc, Act: s.pipelines.Act, Log: log},
	}
	recorder := &environments.Recorder{Client: mc, Plans: s.pipelines.Controller, Log: log}
	for _, c := range []interface{ SetupWithManager(ctrl.Manager) error }{s.around.schedules, s.around.environments, recorder} {
		if err := c.SetupWithManager(s.manager); err != nil {
			return err
		}
	}
	return nil
}
