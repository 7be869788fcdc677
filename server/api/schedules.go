package api

import (
	"context"
	"net/http"

	slipway "slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/pipelines/schedule"
)

// Schedules is what the API asks of the schedules.
type Schedules interface {
	// Play starts a run now.
	Play(ctx context.Context, namespace, schedule, by string) (*slipway.Run, error)
	Suspend(ctx context.Context, namespace, schedule string, suspend bool) error
}

var _ Schedules = (*schedule.Controller)(nil)

func (s *server) createSchedule(w http.ResponseWriter, r *http.Request) error {
	return s.create(schedules, &slipway.Schedule{}, w, r)
}

func suspendSchedule(suspend bool) handler {
	return func(s *server, w http.ResponseWriter, r *http.Request) error {
		return act(w, r, func(ctx context.Context, ns, name, _ string) error {
			return s.Schedules.Suspend(ctx, ns, name, suspend)
		})
	}
}

func (s *server) playSchedule(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	u, _ := UserFrom(r.Context())
	run, err := s.Schedules.Play(r.Context(), r.PathValue("ns"), name, u.Name)
	return created(w, run, err)
}

func withLabel(labels map[string]string, key, value string) map[string]string {
	if labels == nil {
		labels = map[string]string{}
	}
	labels[key] = value
	return labels
}
