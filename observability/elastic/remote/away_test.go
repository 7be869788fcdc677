package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"slipway.dev/observability/logs"
)

// wire brings requests to a handler, or does not.
type wire struct {
	http.Handler
	down  func() bool
	tried int
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.tried++; w.down() {
		return nil, errors.New("connection refused")
	}
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, r)
	if w.tried%5 == 0 {
		// It has the documents, and the sender does not come to know.
		return nil, errors.New("connection reset")
	}
	return answer.Result(), nil
}

// TestAnElasticsearchAwayForAnHour: lines come all the while, answers are lost, some come
// when it has no room; in the end each line is there once.
func TestAnElasticsearchAwayForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		there := &strict{t: t, ids: map[string]bool{}, next: []int{0, 429, 0, 503, 0, 0, 429}}
		network := &wire{Handler: there, down: func() bool {
			since := time.Since(began)
			return since > 10*time.Minute && since < 70*time.Minute
		}}
		r := &Remote{URL: "http://es:9200", Retention: 14 * 24 * time.Hour}
		var err error
		r.client, err = elastictransport.New(elastictransport.Config{URLs: []*url.URL{{Scheme: "http", Host: "es:9200"}}, APIKey: "a-key", DisableRetry: true, CompressRequestBody: true, Transport: network})
		if err != nil {
			t.Fatal(err)
		}
		spool, err := logs.OpenSpool(t.TempDir(), 1<<20, r, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- spool.Run(ctx) }()
		const n, each = 120, 3
		for i := range n {
			if err := spool.Put(fmt.Sprintf("c%d", i), rows(each)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(45 * time.Second) // of the bubble: 90 minutes in all
		}
		if st := spool.State(); st.Chunks != 0 || st.Error != "" || st.Sent != n*each || st.Dropped+st.Refused != 0 {
			t.Errorf("in the end: %+v", st)
		}
		for i := range n {
			for j := range each {
				if !there.ids[fmt.Sprintf("c%d-%d", i, j)] {
					t.Errorf("line %d of chunk %d is lost", j, i)
				}
			}
		}
		if len(there.ids) != n*each || there.again == 0 {
			t.Errorf("%d documents of %d; %d were sent again", len(there.ids), n*each, there.again)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
