package api

import (
	"context"
	"io"
	"net/http"
	"strconv"
)

// SyncAsk is the body of a request to synchronise an application, which may be left out.
type SyncAsk struct {
	// Only these objects, as "Kind/name".
	Only []string `json:"only,omitempty"`
	// Prune: false keeps what left the set this time; true agrees to delete what waits for it.
	Prune *bool `json:"prune,omitempty"`
}

func (s *server) syncApplication(w http.ResponseWriter, r *http.Request) error {
	var ask SyncAsk
	if r.ContentLength != 0 {
		if err := readJSON(w, r, &ask); err != nil {
			return err
		}
	}
	return act(w, r, func(ctx context.Context, ns, name, by string) error {
		return s.Applications.Sync(ctx, ns, name, by, ask)
	})
}

// previewSync answers what a sync would change, as a unified diff.
func (s *server) previewSync(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	ask := SyncAsk{Only: q["only"]}
	if ask.Prune, err = boolOf(q.Get("prune"), "prune"); err != nil {
		return err
	}
	text, err := s.Applications.Preview(r.Context(), r.PathValue("ns"), name, ask)
	if err != nil {
		return err
	}
	plainText(w)
	_, err = io.WriteString(w, text)
	return err
}

func (s *server) refresh(w http.ResponseWriter, r *http.Request) error {
	return act(w, r, func(ctx context.Context, ns, name, _ string) error { return s.Applications.Refresh(ctx, ns, name) })
}

func boolOf(text, name string) (*bool, error) {
	if text == "" {
		return nil, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "true or false", "%s %q: not a truth value", name, text)
	}
	return &b, nil
}
