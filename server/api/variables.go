package api

import (
	"context"
	"net/http"

	"slipway.dev/pipelines/variables"
)

// Variables is what the API asks of the CI variables. No value ever comes back.
type Variables interface {
	List(ctx context.Context, namespace, repository string) ([]variables.Variable, error)
	Set(ctx context.Context, namespace string, v variables.Variable, value []byte) error
	Delete(ctx context.Context, namespace string, v variables.Variable) error
}

var _ Variables = (*variables.Store)(nil)

func (s *server) listVariables(w http.ResponseWriter, r *http.Request) error {
	items, err := s.Variables.List(r.Context(), r.PathValue("ns"), r.URL.Query().Get("repository"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": items})
	return nil
}

func (s *server) setVariable(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name        string  `json:"name"`
		Value       *string `json:"value"`
		Repository  string  `json:"repository"`
		Environment string  `json:"environment"`
		Branch      string  `json:"branch"`
		Protected   bool    `json:"protected"`
		Visible     bool    `json:"visible"`
		Raw         bool    `json:"raw"`
		File        bool    `json:"file"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.Value == nil {
		return refuse(http.StatusBadRequest, "", "value: missing")
	}
	u, _ := UserFrom(r.Context())
	err := s.Variables.Set(r.Context(), r.PathValue("ns"), variables.Variable{
		Name: body.Name, Repository: body.Repository, Environment: body.Environment, Branch: body.Branch,
		Protected: body.Protected, Visible: body.Visible, Raw: body.Raw, File: body.File, By: u.Name,
	}, []byte(*body.Value))
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) deleteVariable(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	err := s.Variables.Delete(r.Context(), r.PathValue("ns"), variables.Variable{
		Name: r.PathValue("variable"), Repository: q.Get("repository"), Environment: q.Get("environment"), Branch: q.Get("branch"),
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
