package api

import (
	"context"
	"net/http"
)

// Environments is what the API asks of the environments that jobs deploy to.
type Environments interface {
	// Stop an environment by its on_stop job.
	Stop(ctx context.Context, namespace, environment, by string) error
	// Redeploy what a run deployed; empty: what is there now.
	Redeploy(ctx context.Context, namespace, environment, run, by string) error
}

func (s *server) stopEnvironment(w http.ResponseWriter, r *http.Request) error {
	return act(w, r, s.Environments.Stop)
}

func (s *server) redeploy(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Run string `json:"run"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	return act(w, r, func(ctx context.Context, ns, name, by string) error {
		return s.Environments.Redeploy(ctx, ns, name, body.Run, by)
	})
}
