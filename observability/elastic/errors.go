package elastic

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"slipway.dev/observability/logs"
)

// Error is an error in Elasticsearch's words.
type Error struct {
	Status int
	// Type is Elasticsearch's name of the kind of error.
	Type, Reason string
}

func (e *Error) Error() string { return e.Reason }

func refuse(status int, kind, format string, args ...any) *Error {
	return &Error{Status: status, Type: kind, Reason: fmt.Sprintf(format, args...)}
}

// illegal is a request with a value that cannot be.
func illegal(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, "illegal_argument_exception", format, args...)
}

// parsing is a request that cannot be read.
func parsing(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, "parsing_exception", format, args...)
}

// unsupported names what Elasticsearch has and this store has not.
func unsupported(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, "illegal_argument_exception", "not supported by Slipway's log store: "+format, args...)
}

func missingIndex(name string) *Error {
	return refuse(http.StatusNotFound, "index_not_found_exception", "no such index [%s]", name)
}

// asError puts any error into Elasticsearch's words.
func asError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, logs.ErrQuery):
		return refuse(http.StatusBadRequest, "search_phase_execution_exception", "%s", err)
	case errors.Is(err, logs.ErrTooLarge):
		return refuse(http.StatusTooManyRequests, "circuit_breaking_exception", "%s", err)
	case errors.Is(err, logs.ErrFull):
		return refuse(http.StatusTooManyRequests, "cluster_block_exception", "%s", err)
	case errors.As(err, new(*http.MaxBytesError)):
		return refuse(http.StatusRequestEntityTooLarge, "content_too_large_exception", "%s", err)
	}
	return refuse(http.StatusInternalServerError, "exception", "%s", err)
}

func (e *Error) body() map[string]any {
	cause := map[string]any{"type": e.Type, "reason": e.Reason}
	return map[string]any{"type": e.Type, "reason": e.Reason, "root_cause": []any{cause}}
}

func writeError(w http.ResponseWriter, err error) {
	e := asError(err)
	writeJSON(w, e.Status, map[string]any{"error": e.body(), "status": e.Status})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"type":"exception","reason":"answer cannot be written"},"status":500}`)
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
