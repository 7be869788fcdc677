package observe

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
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
	other := &searched{configured: &remote.Remote{}}
	mux.HandleFunc("GET /none/logs", search(readers{named("store"), other}))
	mux.HandleFunc("PUT "+readPath, other.put)
	mux.HandleFunc("DELETE "+readPath, other.delete)
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
	c := NewClient(socket, "")
	read := func() (string, error) {
		var b bytes.Buffer
		err := c.From(true).get(t.Context(), &b, "/none/logs", values(q))
		return b.String(), err
	}
	none := func(when string) {
		t.Helper()
		if _, err := read(); !errors.Is(err, logs.ErrQuery) || !strings.Contains(err.Error(), "no Elasticsearch is configured") {
			t.Errorf("%s: %v", when, err)
		}
	}
	none("none is configured")

	// That of a log stack, which comes and goes while the child runs.
	var asked string
	es := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, password, _ := r.BasicAuth()
		b, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Error(err)
				return
			}
			b, _ = io.ReadAll(z)
		}
		asked = fmt.Sprintf("%s:%s %s %s", who, password, r.URL.Path, b)
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"hits":{"hits":[{"_source":{"@timestamp":"2026-01-02T03:04:05Z","message":"of the stack","namespace":"shop"}}]}}`)
	}))
	es.Config.ErrorLog = log.New(io.Discard, "", 0)
	es.StartTLS()
	defer es.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: es.Certificate().Raw})
	at := &ReadAt{Address: es.Listener.Addr().String(), ServerName: "example.com", CA: string(ca), User: "slipway_reader", Password: "right"}
	for range 2 {
		if err := c.ReadAt(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := read(); err != nil || !strings.Contains(got, `"_msg":"of the stack"`) {
		t.Errorf("of the stack: %q %v", got, err)
	}
	for _, part := range []string{"slipway_reader:right /slipway-logs-*/_search", `{"term":{"namespace":{"value":"shop"}}}`} {
		if !strings.Contains(asked, part) {
			t.Errorf("no %s in %s", part, asked)
		}
	}
	at.ServerName = "another.example"
	if err := c.ReadAt(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if _, err := read(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("read of somebody else: %v", err)
	}
	// The one of the configuration comes first.
	other.configured = &remote.Remote{URL: "https://configured.example"}
	if got := other.now(); got != other.configured {
		t.Errorf("reads of %s", got.URL)
	}
	other.configured = &remote.Remote{}
	if err := c.ReadAt(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	none("the stack is gone")
}

// torn writes one row, and then there are no more of them.
type torn struct{ named }

func (torn) Search(_ context.Context, w io.Writer, _ logs.Query) error {
	_, _ = io.WriteString(w, "{}\n")
	return errors.New("out of memory")
}

// TestHalfAnAnswerIsAnError: rows that end too early never look like all of them.
func TestHalfAnAnswerIsAnError(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "o")
	l, err := listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /logs", search(readers{torn{}, torn{}}))
	srv := &http.Server{Handler: mux}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	var b bytes.Buffer
	q := logs.Query{Namespace: "shop", Start: time.Now().Add(-time.Hour), End: time.Now(), Limit: 1}
	if err := NewClient(socket, "").Search(t.Context(), &b, q); err == nil || b.String() != "{}\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
