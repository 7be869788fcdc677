package elastic

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bulkBody is a request of n documents, as a shipper of access logs sends them.
func bulkBody(n int) []byte {
	var b bytes.Buffer
	at := time.Now().UTC()
	for i := range n {
		fmt.Fprintf(&b, `{"create":{}}`+"\n"+`{"@timestamp":%q,"message":"10.1.%d.%d GET /cart/%d HTTP/1.1 200 in %d ms","level":"info","http":{"status":%d,"method":"GET"},"took":%d,"kubernetes":{"pod_name":"web-%d","container_name":"web"}}`+"\n",
			at.Add(time.Duration(i)*time.Microsecond).Format(time.RFC3339Nano), i%250, i%199, i, i%900, 200+i%5, i%900, i%8)
	}
	return b.Bytes()
}

// BenchmarkBulk is documents through HTTP, fsync included.
func BenchmarkBulk(b *testing.B) { benchmarkBulk(b, "") }

// BenchmarkBulkFiltered is the same as a client asks it that wants only what went wrong.
func BenchmarkBulkFiltered(b *testing.B) { benchmarkBulk(b, "?filter_path=errors,items.*.error") }

func benchmarkBulk(b *testing.B, query string) {
	s := serve(b)
	const n = 5000
	body := bulkBody(n)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		resp, err := http.Post(s.URL+"/elastic/logs-bench-default/_bulk"+query, "application/x-ndjson", bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := out.ReadFrom(resp.Body); err != nil || !strings.HasPrefix(out.String(), `{"errors":false`) {
			b.Fatal(out.String()[:min(200, out.Len())], err)
		}
		_ = resp.Body.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
	// What the client's side takes is in it.
	b.ReportMetric(float64(n)*float64(b.N)/(cpu(b)-before).Seconds(), "docs/cpu-s")
	var disk int64
	s.store.Flush()
	_ = filepath.Walk(s.rows, func(_ string, fi os.FileInfo, err error) error {
		if err == nil && !fi.IsDir() {
			disk += fi.Size()
		}
		return nil
	})
	b.ReportMetric(float64(disk)/float64(n*b.N), "disk-B/doc")
}

// BenchmarkSearch is a search with a histogram over a million documents.
func BenchmarkSearch(b *testing.B) {
	s := serve(b)
	for range 200 {
		resp, err := http.Post(s.URL+"/elastic/logs-bench-default/_bulk", "application/x-ndjson", bytes.NewReader(bulkBody(5000)))
		if err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	s.store.Flush()
	for name, body := range map[string]string{
		"phrase": `{"query":{"match_phrase":{"message":"cart 4711"}},"size":10,"sort":[{"@timestamp":"desc"}]}`,
		"aggs":   `{"size":0,"aggs":{"p":{"terms":{"field":"kubernetes.pod_name.keyword"},"aggs":{"h":{"date_histogram":{"field":"@timestamp","fixed_interval":"1s"},"aggs":{"t":{"percentiles":{"field":"took","percents":[99]}}}}}}}}`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s.ok(b, "POST", "/logs-bench-default/_search", body)
			}
		})
	}
}

// cpu is what this process used of it: figures of a busy machine mean nothing without.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
