package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"slipway.dev/cluster/disk"
)

func (s *server) whoami(w http.ResponseWriter, r *http.Request) error {
	u, _ := UserFrom(r.Context())
	writeJSON(w, http.StatusOK, u)
	return nil
}

// namespaces of tenants, as far as the user may look into them.
func (s *server) namespaces(w http.ResponseWriter, r *http.Request) error {
	u, _ := UserFrom(r.Context())
	tenants, err := s.Tenants(r.Context())
	if err != nil {
		return err
	}
	items := []string{}
	for _, ns := range tenants {
		allowed, err := s.Authorizer.Allowed(r.Context(), u, "list", "repositories", ns, "")
		if err != nil {
			return err
		}
		if allowed {
			items = append(items, ns)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": items})
	return nil
}

func (s *server) status(w http.ResponseWriter, r *http.Request) error {
	components := s.Status(r.Context())
	ready := true
	for _, c := range components {
		ready = ready && (c.Ready || c.Optional)
	}
	writeJSON(w, http.StatusOK, map[string]any{"ready": ready, "components": components})
	return nil
}

func (s *server) listTokens(w http.ResponseWriter, r *http.Request) error {
	items, err := s.Tokens.List(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": items})
	return nil
}

func (s *server) createToken(w http.ResponseWriter, r *http.Request) error {
	var t Token
	if err := readJSON(w, r, &t); err != nil {
		return err
	}
	if t.User == "" {
		return refuse(http.StatusBadRequest, "", "user: a token belongs to a user name")
	}
	t, err := s.Tokens.Create(r.Context(), t)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, t)
	return nil
}

func (s *server) revokeToken(w http.ResponseWriter, r *http.Request) error {
	if err := s.Tokens.Revoke(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// seedImage takes the file as the body: it may be larger than memory, so it
// goes through the disk.
func (s *server) seedImage(w http.ResponseWriter, r *http.Request) error {
	name := r.URL.Query().Get("name")
	if name == "" {
		return refuse(http.StatusBadRequest, "such as ?name=debian:bookworm", "name: missing")
	}
	f, err := os.CreateTemp(s.Uploads, "image-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := receive(f, http.MaxBytesReader(w, r.Body, maxImage), s.Room, "image "+name); err != nil {
		return err
	}
	digest, err := s.Images.Seed(r.Context(), name, f.Name())
	if full := new(disk.Full); errors.As(err, full) {
		return refuse(http.StatusInsufficientStorage, "", "image %s: %v", name, *full)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "want what docker save or an OCI archive writes", "image %s: %s", name,
			strings.TrimPrefix(err.Error(), "seed "+name+" from "+f.Name()+": ")) // where we keep it meanwhile concerns nobody
	}
	writeJSON(w, http.StatusCreated, map[string]string{"name": name, "digest": digest})
	return nil
}

// maxImage is larger than any base image that people use.
const maxImage = 16 << 30

// receive an upload as long as the disk has room for it.
func receive(to io.Writer, from io.Reader, room func() error, what string) error {
	_, err := io.Copy(to, disk.Reader(from, room))
	var large *http.MaxBytesError
	var full disk.Full
	switch {
	case errors.As(err, &large):
		return refuse(http.StatusRequestEntityTooLarge, "", "%s: more than %d bytes", what, large.Limit)
	case errors.As(err, &full):
		return refuse(http.StatusInsufficientStorage, "", "%s: %v", what, full)
	case err != nil:
		return refuse(http.StatusBadRequest, "", "%s: %v", what, err)
	}
	return nil
}

func (s *server) syncRepository(w http.ResponseWriter, r *http.Request) error {
	return act(w, r, func(ctx context.Context, ns, name, _ string) error {
		return s.Repositories.Sync(ctx, ns, name)
	})
}

func (s *server) unpin(w http.ResponseWriter, r *http.Request) error {
	return act(w, r, s.Applications.Unpin)
}

func (s *server) stop(w http.ResponseWriter, r *http.Request) error {
	return act(w, r, s.Applications.Stop)
}

func (s *server) rollback(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Release int64 `json:"release"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.Release < 0 {
		return refuse(http.StatusBadRequest, "the history lists the releases; without a number it is the healthy one before this one", "release: want a number of at least 1")
	}
	return act(w, r, func(ctx context.Context, ns, name, by string) error {
		return s.Applications.Rollback(ctx, ns, name, body.Release, by)
	})
}

// act answers 204 when do did what the path and the user ask.
func act(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, namespace, name, by string) error) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	u, _ := UserFrom(r.Context())
	if err := do(r.Context(), r.PathValue("ns"), name, u.Name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) diff(w http.ResponseWriter, r *http.Request) error {
	name, err := pathName(r, "name")
	if err != nil {
		return err
	}
	text, err := s.Applications.Diff(r.Context(), r.PathValue("ns"), name)
	if err != nil {
		return err
	}
	plainText(w)
	_, err = io.WriteString(w, text)
	return err
}
