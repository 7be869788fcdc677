package daemon

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	slipway "slipway.dev/cluster/api/v1alpha1"
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
		Log: log, Metrics: metrics, Events: s.manager.GetEventRecorder("slipway"), Preview: previewOf(mc),
	}
	s.gitops.repos.StillOpen = statuses.MergeRequest
	for _, c := range []interface{ SetupWithManager(ctrl.Manager) error }{s.around.schedules, s.around.environments, recorder, statuses} {
		if err := c.SetupWithManager(s.manager); err != nil {
			return err
		}
	}
	return nil
}

// previewOf a run is the address of a generated application that shows its commit and is
// healthy.
func previewOf(reader client.Reader) func(context.Context, *slipway.Run) (string, error) {
	return func(ctx context.Context, run *slipway.Run) (string, error) {
		var all slipway.ApplicationList
		err := reader.List(ctx, &all, client.InNamespace(run.Namespace), client.HasLabels{slipway.LabelApplicationSet}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return "", err
		}
		address, of := "", ""
		for i := range all.Items {
			a := &all.Items[i]
			if a.Spec.Source.Repository != run.Spec.Repository || a.Spec.Desired == nil || a.Spec.Desired.Commit != run.Spec.Commit {
				continue
			}
			st := &a.Status
			if st.Health == "Healthy" && st.Sync == "Synced" && st.Current == st.Last && len(st.Addresses) > 0 && (of == "" || a.Name < of) {
				address, of = st.Addresses[0], a.Name
			}
		}
		return address, nil
	}
}
