package hook

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkAccept is webhooks of each forge at 200 a second, pushes and merge requests in
// turn; it reports the 99th percentile until the answer, which means that they are on disk.
func BenchmarkAccept(b *testing.B) {
	for _, forge := range slices.Sorted(maps.Keys(senders)) {
		b.Run(forge, func(b *testing.B) {
			s := senders[forge]
			var made []sent
			for _, c := range events {
				if c.forge == forge && (c.file == "push" || c.file == "opened") {
					made = append(made, s.make(b, c.event, c.file, ""))
				}
			}
			h := newHandler(b, b.TempDir())
			srv := httptest.NewServer(h)
			defer srv.Close()
			drain(b, h.Spool)
			took := make([]time.Duration, b.N)
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			var wg sync.WaitGroup
			b.ResetTimer()
			for i := range b.N {
				<-tick.C
				one := made[i%len(made)]
				one.headers = maps.Clone(one.headers)
				one.headers[s.id] = fmt.Sprint(i)
				s.resign(&one, key)
				wg.Go(func() {
					r, _ := http.NewRequest(http.MethodPost, srv.URL+"/hooks/"+one.kind+"/default/"+one.repo, bytes.NewReader(one.body))
					for k, v := range one.headers {
						r.Header.Set(k, v)
					}
					start := time.Now()
					res, err := http.DefaultClient.Do(r)
					took[i] = time.Since(start)
					if err != nil || res.StatusCode != http.StatusAccepted {
						b.Error(res, err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				})
			}
			wg.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
