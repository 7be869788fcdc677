package daemon

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"

	"slipway.dev/gitops/git"
	"slipway.dev/pipelines/commitstatus"
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
	metrics, err := commitstatus.NewMetrics(s.metrics)
	if err != nil {
		return err
	}
	statuses := &commitstatus.Reporter{
		Client: mc, HTTP: git.Remote{Private: s.conf.PrivateSources}.HTTP(), ServerURL: s.conf.URL,
		Log: log, Metrics: metrics, Events: s.manager.GetEventRecorder("slipway"),
	}
	s.gitops.repos.StillOpen = statuses.MergeRequest
	for _, c := range []interface{ SetupWithManager(ctrl.Manager) error }{s.around.schedules, s.around.environments, recorder, statuses} {
		if err := c.SetupWithManager(s.manager); err != nil {
			return err
		}
	}
	return nil
}
