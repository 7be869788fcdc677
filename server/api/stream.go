package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Change is one event of the watch route.
type Change struct {
	Kind   string        `json:"kind"`
	Type   string        `json:"type"` // ADDED, MODIFIED, DELETED
	Object client.Object `json:"object"`
}

// Watching is what a watch is asked for.
type Watching struct {
	// Kinds; all that are watched if empty.
	Kinds []string
	// Name of the objects; all if empty.
	Name string
	// News leaves out the objects as they are, which otherwise come first: there may be
	// many thousands, and who lists them page by page needs none of them.
	News bool
}

// Watcher tells changes of the kinds that the console shows in a namespace until ctx ends.
type Watcher interface {
	Watch(ctx context.Context, namespace string, what Watching) (<-chan Change, error)
}

func (s *server) watch(w http.ResponseWriter, r *http.Request) error {
	u, _ := UserFrom(r.Context())
	may := map[string]bool{}
	for kind, resource := range map[string]string{"Repository": "repositories", "Run": "runs", "Application": "applications", "Release": "releases", "Environment": "environments",
		"Promotion": "promotions", "ApplicationSet": "applicationsets"} {
		allowed, err := s.Authorizer.Allowed(r.Context(), u, "watch", resource, r.PathValue("ns"), "")
		if err != nil {
			return err
		}
		may[kind] = allowed
	}
	q := r.URL.Query()
	what := Watching{Name: q.Get("name")}
	if kinds := strings.Join(q["kind"], ","); kinds != "" {
		what.Kinds = strings.Split(kinds, ",")
	}
	initial, err := boolOf(q.Get("initial"), "initial")
	if err != nil {
		return err
	}
	what.News = initial != nil && !*initial
	changes, err := s.Watcher.Watch(r.Context(), r.PathValue("ns"), what)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	beat := time.NewTicker(20 * time.Second)
	defer beat.Stop()
	for {
		_ = rc.Flush()
		select {
		case <-r.Context().Done():
			return nil
		case <-beat.C:
			if _, err := io.WriteString(w, ": still here\n\n"); err != nil {
				return nil
			}
		case c, ok := <-changes:
			if !ok {
				return nil
			}
			if !may[c.Kind] {
				continue
			}
			b, err := json.Marshal(c)
			if err != nil {
				s.log.Error("watch", "err", err)
				return nil
			}
			if _, err := fmt.Fprintf(w, "data: %s\n\n", b); err != nil {
				return nil
			}
		}
	}
}

func plainText(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
}

// attachment marks what users made: a browser saves it and never runs it.
func attachment(w http.ResponseWriter, name string) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("Cache-Control", "no-store")
}

// stream copies r and flushes after every read, so that a follower sees lines as they come.
func stream(w http.ResponseWriter, r io.Reader) error {
	_, err := io.CopyBuffer(flushWriter{w, http.NewResponseController(w)}, struct{ io.Reader }{r}, make([]byte, 32<<10))
	if err != nil {
		// The status line is out: only the connection can still say it.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// begun is an answer of which a part may be out.
type begun struct {
	http.ResponseWriter
	wrote bool
}

// WriteHeader implements http.ResponseWriter.
func (b *begun) WriteHeader(status int) {
	b.wrote = true
	b.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (b *begun) Write(p []byte) (int, error) {
	b.wrote = true
	return b.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// fail answers with an error. Where rows are out, an error behind them would be read as one
// more of them, and nothing as their end: the connection is cut.
func (b *begun) fail(log *slog.Logger, err error) {
	if !b.wrote {
		WriteError(b.ResponseWriter, log, err)
		return
	}
	if !errors.Is(err, context.Canceled) {
		log.Warn("an answer is cut off", "err", err)
	}
	panic(http.ErrAbortHandler)
}

type flushWriter struct {
	io.Writer
	rc *http.ResponseController
}

func (f flushWriter) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	_ = f.rc.Flush()
	return n, err
}
