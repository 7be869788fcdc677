package remote

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/typedapi/cluster/putcomponenttemplate"
	"github.com/elastic/go-elasticsearch/v8/typedapi/ilm/putlifecycle"
	"github.com/elastic/go-elasticsearch/v8/typedapi/indices/putindextemplate"

	"slipway.dev/observability/elastic"
	"slipway.dev/observability/logs"
	"slipway.dev/observability/logs/logstest"
)

func rows(n int) []logs.Row {
	var all []logs.Row
	for i := range n {
		all = append(all, logs.NewRow(time.Now().Add(-time.Minute).Add(time.Duration(i)).UnixNano(), map[string]string{
			"namespace": "default", "pod": "shop-1", "container": "web", logs.IndexField: "logs-pods-default", "_msg": fmt.Sprintf("line %d", i),
		}))
	}
	return all
}

// TestOwnAPI has our own Elasticsearch API be the other side.
func TestOwnAPI(t *testing.T) {
	dir := t.TempDir()
	store, _ := logstest.Run(t, filepath.Join(dir, "store"))
	h, err := elastic.New(store, filepath.Join(dir, "objects.json"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elastic.Access{User: "u", Read: []string{"default"}, Write: []string{"default"}, Home: "default"}.Attach(r.Header)
		h.ServeHTTP(w, r)
	}))
	defer srv.Close()
	r := &Remote{URL: srv.URL, Retention: 14 * 24 * time.Hour}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Send(t.Context(), "chunk", rows(50), true); err != nil {
			t.Fatal(err)
		}
		store.Flush()
	}
	reads(t, r)
	r.Own, r.provisioned = h.UUID, false
	if err := r.Send(t.Context(), "chunk-2", rows(1), false); err == nil || errors.Is(err, logs.ErrRefused) || !strings.Contains(err.Error(), "this server's own store") {
		t.Errorf("to itself: %v", err)
	}
}

// strict is an Elasticsearch that takes nothing which its published contract does not have.
type strict struct {
	t   *testing.T
	mu  sync.Mutex
	put []string
	ids map[string]bool
	// again counts the documents that were there already.
	again int
	// answers to the next bulk requests, before it takes them.
	next []int
	// refuse an item whose message matches.
	refuse *regexp.Regexp
}

func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	if got := r.Header.Get("Authorization"); !strings.EqualFold(got, "ApiKey a-key") {
		w.WriteHeader(401)
		s.t.Errorf("authorization %q", got)
		return
	}
	body := unpacked(s.t, r)
	switch r.Method + " " + r.URL.Path {
	case "GET /":
		fmt.Fprint(w, `{"version":{"number":"9.1.0"},"tagline":"You Know, for Search"}`)
	case "PUT /_ilm/policy/slipway-logs", "PUT /_component_template/slipway-logs", "PUT /_index_template/slipway-logs":
		b, err := io.ReadAll(body)
		if err != nil {
			s.t.Error(err)
		}
		kind := strings.Split(r.URL.Path, "/")[1]
		published(s.t, b, map[string]any{"_ilm": new(putlifecycle.Request), "_component_template": new(putcomponenttemplate.Request), "_index_template": new(putindextemplate.Request)}[kind])
		s.put = append(s.put, strings.Split(r.URL.Path, "/")[1])
		fmt.Fprint(w, `{"acknowledged":true}`)
	case "POST /_bulk", "PUT /_bulk":
		s.bulk(w, body)
	default:
		s.t.Errorf("%s %s is not in the contract", r.Method, r.URL)
		w.WriteHeader(400)
	}
}

func unpacked(t *testing.T, r *http.Request) io.Reader {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return r.Body
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Error(err)
		return r.Body
	}
	return z
}

func (s *strict) bulk(w http.ResponseWriter, body io.Reader) {
	if len(s.next) > 0 {
		status := s.next[0]
		s.next = s.next[1:]
		if status != 0 {
			w.WriteHeader(status)
			fmt.Fprint(w, `{"error":{"type":"es_rejected_execution_exception"}}`)
			return
		}
	}
	var items []string
	failed := false
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		var action map[string]map[string]string
		if err := json.Unmarshal(lines.Bytes(), &action); err != nil || action["create"] == nil || len(action) != 1 {
			s.t.Errorf("data streams take create only: %s", lines.Text())
		}
		meta := action["create"]
		if !strings.HasPrefix(meta["_index"], "slipway-logs-") || meta["_id"] == "" || !lines.Scan() {
			s.t.Errorf("action %v", meta)
		}
		var doc map[string]any
		if err := json.Unmarshal(lines.Bytes(), &doc); err != nil || doc["@timestamp"] == nil {
			s.t.Errorf("a document of a data stream has @timestamp: %s", lines.Text())
		}
		switch {
		case s.ids[meta["_id"]]:
			failed = true
			s.again++
			items = append(items, `{"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}`)
		case s.refuse != nil && s.refuse.MatchString(fmt.Sprint(doc["message"])):
			failed = true
			items = append(items, `{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"no"}}}`)
		default:
			s.ids[meta["_id"]] = true
			items = append(items, `{"create":{"status":201}}`)
		}
	}
	fmt.Fprintf(w, `{"took":1,"errors":%t,"items":[%s]}`, failed, strings.Join(items, ","))
}

func TestPublishedContract(t *testing.T) {
	s := &strict{t: t, ids: map[string]bool{}, next: []int{429, 503}}
	srv := httptest.NewServer(s)
	defer srv.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("a-key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &Remote{URL: srv.URL, CredentialsFile: key, Retention: 14 * 24 * time.Hour}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Send(t.Context(), "c1", rows(10), false); err == nil || errors.Is(err, logs.ErrRefused) {
			t.Fatalf("an Elasticsearch without room: %v", err)
		}
	}
	for range 2 {
		if err := r.Send(t.Context(), "c1", rows(10), true); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(s.put, []string{"_ilm", "_component_template", "_index_template"}) || len(s.ids) != 10 {
		t.Errorf("put %v, %d documents", s.put, len(s.ids))
	}
	s.refuse = regexp.MustCompile("line 3$")
	if err := r.Send(t.Context(), "c2", rows(5), false); !errors.Is(err, logs.ErrRefused) || !strings.Contains(err.Error(), "1 of 5 lines: document_parsing_exception") {
		t.Errorf("a document that is refused: %v", err)
	}
	if len(s.ids) != 14 {
		t.Errorf("%d documents, want 14", len(s.ids))
	}
}

func TestCredentialsAreNotInTheURL(t *testing.T) {
	if err := (&Remote{URL: "https://elastic:secret@es:9200"}).Open(); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestServerName(t *testing.T) {
	srv := httptest.NewTLSServer(&strict{t: t, ids: map[string]bool{}})
	defer srv.Close()
	dir := t.TempDir()
	key, ca := filepath.Join(dir, "key"), filepath.Join(dir, "ca")
	if err := errors.Join(os.WriteFile(key, []byte("a-key"), 0o600), os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600)); err != nil {
		t.Fatal(err)
	}
	// The certificate is for example.com and 127.0.0.1.
	r := &Remote{URL: strings.Replace(srv.URL, "127.0.0.1", "localhost", 1), CredentialsFile: key, CAFile: ca, Retention: time.Hour}
	for name, fine := range map[string]bool{"": false, "example.com": true, "example.org": false} {
		r.ServerName = name
		if err := r.Open(); err != nil {
			t.Fatal(err)
		}
		if err := r.Provision(t.Context()); (err == nil) != fine {
			t.Errorf("name %q: %v", name, err)
		}
	}
}
