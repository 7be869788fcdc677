package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"unicode/utf8"

	"slipway.dev/gitops/hook"
)

// Deliveries is what the API asks of the webhooks that came for a repository.
type Deliveries interface {
	List(ns, repository string) ([]hook.Delivery, error)
	// Get one with what is kept of its body.
	Get(ns, repository string, number uint64) (*hook.Delivery, []byte, error)
	Redeliver(ctx context.Context, ns, repository string, number uint64, by string) (*hook.Delivery, error)
}

var _ Deliveries = (*hook.Spool)(nil)

// ofDeliveries are the routes of webhook deliveries.
func ofDeliveries(ns string) []Route {
	at := ns + "/repositories/{name}/deliveries"
	return []Route{
		{"GET", at, "get", "repositories", "webhook deliveries that are kept, newest first", (*server).deliveries},
		{"GET", at + "/{number}", "get", "repositories", "a webhook delivery with its headers and body", (*server).delivery},
		{"POST", at + "/{number}/redeliver", "update", "repositories", "act on a webhook delivery again", (*server).redeliver},
	}
}

// Delivery is one webhook with what is kept of its body.
type Delivery struct {
	hook.Delivery
	Body string `json:"body,omitempty"`
}

func (s *server) deliveries(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	items, err := s.Deliveries.List(r.PathValue("ns"), name)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": items})
	return nil
}

// numbered reads the repository and the number of a path.
func numbered(r *http.Request) (name string, n uint64, err error) {
	if name, err = pathName(r, "name"); err != nil {
		return "", 0, err
	}
	if n, err = strconv.ParseUint(r.PathValue("number"), 10, 64); err != nil {
		return "", 0, refuse(http.StatusBadRequest, "deliveries are numbered", "delivery %q: not a number", r.PathValue("number"))
	}
	return name, n, nil
}

func (s *server) delivery(w http.ResponseWriter, r *http.Request) error {
	name, n, err := numbered(r)
	if err != nil {
		return err
	}
	d, body, err := s.Deliveries.Get(r.PathValue("ns"), name, n)
	if err != nil {
		return ofDelivery(err)
	}
	out := Delivery{Delivery: *d, Body: string(body)}
	if !utf8.ValidString(out.Body) {
		out.Body = strconv.QuoteToASCII(out.Body)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (s *server) redeliver(w http.ResponseWriter, r *http.Request) error {
	name, n, err := numbered(r)
	if err != nil {
		return err
	}
	u, _ := UserFrom(r.Context())
	d, err := s.Deliveries.Redeliver(r.Context(), r.PathValue("ns"), name, n, u.Name)
	if err != nil {
		return ofDelivery(err)
	}
	writeJSON(w, http.StatusAccepted, d)
	return nil
}

// ofDelivery says in HTTP what is wrong.
func ofDelivery(err error) error {
	switch {
	case errors.Is(err, hook.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Message: err.Error(), Hint: "`slipway repo deliveries` lists those that are kept"}
	case errors.Is(err, hook.ErrNothing):
		return &Error{Status: http.StatusConflict, Message: err.Error()}
	case errors.Is(err, hook.ErrFull):
		return &Error{Status: http.StatusServiceUnavailable, Message: err.Error(), Hint: "try again in a moment"}
	}
	return err
}
