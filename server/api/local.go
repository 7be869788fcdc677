package api

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// maxLocal bytes of a packed working copy, which may take localTime to come.
	maxLocal  = 32 << 20
	localTime = 2 * time.Minute
	// mostLocal are unpacked and rendered at one time.
	mostLocal = 4
)

// diffLocal compares a working copy with what is live. Who may update an application could
// as well commit what is sent here.
func (s *server) diffLocal(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	if s.local.Add(1) > mostLocal {
		s.local.Add(-1)
		return refuse(http.StatusTooManyRequests, "ask again in a moment", "%d working copies are compared at this time", mostLocal)
	}
	defer s.local.Add(-1)
	if s.Room != nil {
		if err := s.Room(); err != nil {
			return refuse(http.StatusInsufficientStorage, "", "working copy: %v", err)
		}
	}
	// Who sends slowly does not take the place of others for ever.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(localTime)) // not of a test's recorder
	body := &noted{from: http.MaxBytesReader(w, r.Body, maxLocal)}
	text, err := s.Applications.DiffLocal(r.Context(), r.PathValue("ns"), name, body)
	var large *http.MaxBytesError
	if errors.As(body.err, &large) {
		return refuse(http.StatusRequestEntityTooLarge, "leave out what no manifest needs with .gitignore", "working copy: more than %d MiB packed", maxLocal>>20)
	}
	if err != nil {
		return err
	}
	plainText(w)
	_, err = io.WriteString(w, text)
	return err
}

// noted remembers why reading ended, whatever becomes of the error on its way.
type noted struct {
	from io.Reader
	err  error
}

func (n *noted) Read(p []byte) (int, error) {
	k, err := n.from.Read(p)
	if err != nil {
		n.err = err
	}
	return k, err
}
