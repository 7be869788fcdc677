package api

import (
	"context"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// LogStack is the Fluentd and Elasticsearch on this cluster.
type LogStack interface {
	// Apply makes the stack so; it is made where there is none.
	Apply(ctx context.Context, spec slipway.LogStackSpec) (*slipway.LogStack, error)
	Get(ctx context.Context) (*slipway.LogStack, error)
	// Remove it; its data stays unless that is asked for, also later.
	Remove(ctx context.Context, data bool) error
}

// All of these are of the whole cluster: roles of a namespace do not reach them.
func logStackRoutes() []Route {
	return []Route{
		{"GET", "/api/v1/logstack", "get", "logstacks", "the Fluentd and Elasticsearch on this cluster, and how they are", (*server).getLogStack},
		{"PUT", "/api/v1/logstack", "update", "logstacks", "have a Fluentd and an Elasticsearch on this cluster: the spec of a LogStack", (*server).applyLogStack},
		{"DELETE", "/api/v1/logstack", "delete", "logstacks", "remove them; ?data=true removes claims and passwords too", (*server).removeLogStack},
	}
}

func (s *server) getLogStack(w http.ResponseWriter, r *http.Request) error {
	l, err := s.LogStack.Get(r.Context())
	if apierrors.IsNotFound(err) {
		return refuse(http.StatusNotFound, "`slipway logstack apply` makes one", "there is no log stack")
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, l)
	return nil
}

func (s *server) applyLogStack(w http.ResponseWriter, r *http.Request) error {
	var spec slipway.LogStackSpec
	if err := readJSON(w, r, &spec); err != nil {
		return err
	}
	l, err := s.LogStack.Apply(r.Context(), spec)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, l)
	return nil
}

func (s *server) removeLogStack(w http.ResponseWriter, r *http.Request) error {
	err := s.LogStack.Remove(r.Context(), r.URL.Query().Get("data") == "true")
	if apierrors.IsNotFound(err) {
		return refuse(http.StatusNotFound, "`slipway logstack remove --with-data` removes what an earlier one left", "there is no log stack")
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
