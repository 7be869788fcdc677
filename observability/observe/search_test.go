package observe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/observability/elastic/remote"
	"slipway.dev/observability/logs"
)

// named says where it was read.
type named string

func (n named) Search(_ context.Context, w io.Writer, q logs.Query) error {
	_, err := fmt.Fprintf(w, "%s %s %s", n, q.Namespace, q.Text)
	return err
}

func (n named) Overview(context.Context, logs.Query) (*logs.Overview, error) {
	return &logs.Overview{Facets: []logs.Facet{{Field: string(n)}}}, nil
}

func (n named) Context(_ context.Context, w io.Writer, a logs.Around) error {
	_, err := fmt.Fprintf(w, "%s %s", n, a.Pod)
	return err
}

// TestFrom: a client's choice of where to read reaches the child.
func TestFrom(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "o")
	l, err := listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	from := readers{named("store"), named("elasticsearch")}
	mux.HandleFunc("GET /logs", search(from))
	mux.HandleFunc("GET /logs/overview", overview(from))
	mux.HandleFunc("GET /logs/context", around(from))
	mux.HandleFunc("GET /none/logs", search(readers{named("store"), &remote.Remote{}}))
	srv := &http.Server{Handler: mux}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	q := logs.Query{Namespace: "shop", Text: "a", Start: time.Now().Add(-time.Hour), End: time.Now(), Limit: 1}
	for elsewhere, want := range map[bool]string{false: "store", true: "elasticsearch"} {
		c := NewClient(socket, "").From(elsewhere)
		var a, b, d bytes.Buffer
		err := errors.Join(c.Search(t.Context(), &a, q), c.Overview(t.Context(), &b, q), c.Context(t.Context(), &d, logs.Around{Namespace: "shop", Pod: "p", Container: "c"}))
		if err != nil || a.String() != want+" shop a" || !strings.Contains(b.String(), `"field":"`+want+`"`) || d.String() != want+" p" {
			t.Errorf("%s: %s, %s, %s, %v", want, a.String(), b.String(), d.String(), err)
		}
	}
	err = NewClient(socket, "").From(true).get(t.Context(), io.Discard, "/none/logs", values(q))
	if !errors.Is(err, logs.ErrQuery) || !strings.Contains(err.Error(), "no Elasticsearch is configured") {
		t.Errorf("none is configured: %v", err)
	}
}
