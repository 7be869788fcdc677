package clients

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"slipway.dev/observability/elastic"
	"slipway.dev/observability/logs"
	"slipway.dev/observability/logs/logstest"
)

// own is a caller who writes and reads one namespace.
var own = elastic.Access{User: "dev", Read: []string{"default"}, Write: []string{"default"}, Home: "default"}

type server struct {
	*httptest.Server
	store  *logs.Store
	access elastic.Access
}

// serve runs the real handler over the real store.
func serve(t testing.TB) *server {
	t.Helper()
	dir := t.TempDir()
	store, stop := logstest.Run(t, filepath.Join(dir, "store"))
	h, err := elastic.New(store, filepath.Join(dir, "elastic.json"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{store: store, access: own}
	s.Server = httptest.NewServer(http.StripPrefix("/elastic", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.access.Attach(r.Header)
		h.ServeHTTP(w, r)
	})))
	t.Cleanup(func() {
		s.Close()
		stop()
	})
	return s
}

// epoch is when the documents of tests begin: on the hour, an hour or two ago.
var epoch = time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Hour)
