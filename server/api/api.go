// Package api owns the REST interface under /api/v1/: JSON objects are the
// custom resources themselves, changes stream as server-sent events. Every
// route is a row of one table that names the verb and resource it needs, and
// is refused before its handler runs when Kubernetes RBAC does not allow it.
//
// It never decides what a change means: it calls the parts of Slipway through
// the small interfaces in deps.go. Start at Routes in routes.go.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
)

// User is who asks, as the front door authenticated it.
type User struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups,omitempty"`
}

type userKey struct{}

// WithUser returns ctx with the user that asks.
func WithUser(ctx context.Context, u User) context.Context {
	return context.WithValue(ctx, userKey{}, u)
}

// UserFrom returns the user of ctx; ok is false for a request nobody authenticated.
func UserFrom(ctx context.Context) (u User, ok bool) {
	u, ok = ctx.Value(userKey{}).(User)
	return u, ok
}

// Error is what a refused request gets: {"error":{"message":…,"hint":…}}.
type Error struct {
	Status  int    `json:"-"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Fields are those of the object that was sent which are wrong, for a form to show it there.
	Fields []FieldError `json:"fields,omitempty"`
}

// FieldError is what is wrong with a field, such as spec.sync.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }

func refuse(status int, hint, format string, args ...any) error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// WriteError answers with err; what is not meant for the user is only logged.
func WriteError(w http.ResponseWriter, log *slog.Logger, err error) {
	var e *Error
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &e):
	case errors.As(err, &status) && status.Status().Code != 0:
		e = &Error{Status: int(status.Status().Code)}
		e.Message, e.Hint = inWords(status.Status())
		e.Fields = fieldsOf(status.Status())
	case errors.Is(err, context.Canceled):
		return
	default:
		log.Error("request", "err", err)
		e = &Error{Status: http.StatusInternalServerError, Message: "internal error", Hint: "the server's log has the reason"}
	}
	writeJSON(w, e.Status, map[string]*Error{"error": e})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody to tell
}

// readJSON decodes a body of at most 1 MiB and refuses unknown fields.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return refuse(http.StatusBadRequest, "send one JSON object with the documented fields", "request body: %v", err)
	}
	return nil
}

// pathName returns the path value key when it can be an object's name.
func pathName(r *http.Request, key string) (string, error) {
	v := r.PathValue(key)
	if errs := validation.IsDNS1123Subdomain(v); len(errs) > 0 {
		return "", refuse(http.StatusBadRequest, "names have lower-case letters, digits, - and ., and a letter or digit first and last", "%s %q: not a name", key, v)
	}
	return v, nil
}
