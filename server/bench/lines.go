package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	bulkBatch   = 5000
	bulkWriters = 4
	bulkGroup   = 40 // of these batches are a round
	fileLines   = 100_000
	foundTimes  = 40
	searchTimes = 5
	bulkIndex   = "logs-bench-default"
)

// lines go into the store by _bulk and by a container's file, and are searched.
func (b *bench) lines(ctx context.Context, in *instance) error {
	pid, err := observer(in)
	if err != nil {
		return err
	}
	rows := filepath.Join(in.dir, "logstore", "rows")
	before := diskUsed(rows)
	for first := 0; first < b.Lines; first += bulkGroup * bulkBatch {
		if err := b.bulk(ctx, in, pid, first); err != nil {
			return err
		}
	}
	if err := until(ctx, time.Minute, func() error {
		if n, err := in.count(ctx, bulkIndex, "*"); err != nil || n < b.Lines {
			return errors.Join(err, fmt.Errorf("%d of %d lines are found", n, b.Lines))
		}
		return nil
	}); err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil { // what is in memory comes to disk, and is merged
		return err
	}
	b.report.add("a line of about 230 bytes of JSON, on disk", "B", float64(diskUsed(rows)-before)/float64(b.Lines))
	if err := b.searched(ctx, in); err != nil {
		return err
	}
	return b.fromFile(ctx, in)
}

// bulk sends one round of documents; making them does not count.
func (b *bench) bulk(ctx context.Context, in *instance, pid, first int) error {
	bodies := make([][]byte, bulkGroup)
	for i := range bodies {
		bodies[i] = documents(first + i*bulkBatch)
	}
	began, before := time.Now(), used(pid)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(bulkWriters)
	for _, body := range bodies {
		g.Go(func() error {
			text, err := in.ask(gctx, http.MethodPost, "/elastic/"+bulkIndex+"/_bulk?filter_path=errors", "application/x-ndjson", body)
			var answer struct{ Errors bool }
			if err = errors.Join(err, json.Unmarshal(text, &answer)); err == nil && answer.Errors {
				err = errors.New("_bulk: some lines were refused")
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	n := float64(bulkGroup * bulkBatch)
	b.report.add("lines through _bulk, on disk when answered", "/s", n/time.Since(began).Seconds())
	if cpu := used(pid) - before; cpu > 0 {
		b.report.add("lines through _bulk in a second of one core of the child", "", n/cpu)
	}
	return nil
}

// documents are a batch of lines, as a shipper of access logs sends them.
func documents(first int) []byte {
	var out bytes.Buffer
	at := time.Now().UTC()
	for i := first; i < first+bulkBatch; i++ {
		fmt.Fprintf(&out, `{"create":{}}`+"\n"+`{"@timestamp":%q,"message":"10.1.%d.%d GET /cart/%d HTTP/1.1 200 in %d ms","level":"info","http":{"status":%d,"method":"GET"},"took":%d,"kubernetes":{"pod_name":"web-%d","container_name":"web"}}`+"\n",
			at.Add(time.Duration(i-first)*time.Microsecond).Format(time.RFC3339Nano), i%250, i*7%199, i*7919%1000003, i*31%900, 200+i%5, i%900, i%8)
	}
	return out.Bytes()
}

// searched asks what people ask of many lines.
func (b *bench) searched(ctx context.Context, in *instance) error {
	for _, q := range []struct{ what, body string }{
		{"a phrase that few lines have", `{"query":{"match_phrase":{"message":"cart/4711"}},"size":100}`},
		{"a histogram of all", `{"size":0,"aggs":{"t":{"date_histogram":{"field":"@timestamp","fixed_interval":"10s"}}}}`},
		{"the most frequent pods", `{"size":0,"aggs":{"p":{"terms":{"field":"kubernetes.pod_name","size":10}}}}`},
		{"the newest 100", `{"size":100,"sort":[{"@timestamp":"desc"}]}`},
	} {
		for range searchTimes {
			began := time.Now()
			if _, err := in.ask(ctx, http.MethodPost, "/elastic/"+bulkIndex+"/_search", "application/json", []byte(q.body)); err != nil {
				return err
			}
			b.report.add(fmt.Sprintf("search of %d lines: %s", b.Lines, q.what), "ms", float64(time.Since(began).Microseconds())/1000)
		}
	}
	return nil
}

// fromFile writes to the file of a container that runs, as containerd does.
func (b *bench) fromFile(ctx context.Context, in *instance) error {
	const index = "logs-pods-kube-system"
	found, err := filepath.Glob(filepath.Join(in.dir, "logs", "pods", "kube-system_coredns-*", "*", "*.log"))
	if err != nil || len(found) == 0 {
		return errors.Join(err, errors.New("no file of a container of coredns"))
	}
	file := found[len(found)-1]
	write := func(token string, n int) error {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		for i := range n {
			fmt.Fprintf(&text, "%s stdout F 10.1.%d.%d GET /cart/%d HTTP/1.1 200 in %d ms %s\n", time.Now().UTC().Format(time.RFC3339Nano), i%250, i*7%199, i, i%900, token)
		}
		_, err = f.Write(text.Bytes())
		return errors.Join(err, f.Close())
	}
	var took []time.Duration
	for i := range foundTimes {
		token := fmt.Sprintf("benchfound%dx%d", time.Now().UnixNano(), i)
		began := time.Now()
		if err := write(token, 1); err != nil {
			return err
		}
		if err := in.counted(ctx, index, token, 1); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.report.add(fmt.Sprintf("a line written to a container's file until it is found, percentile %d", p), "ms", float64(took[len(took)*p/100].Milliseconds()))
	}
	token := fmt.Sprintf("benchmany%d", time.Now().UnixNano())
	began := time.Now()
	if err := write(token, fileLines); err != nil {
		return err
	}
	if err := in.counted(ctx, index, token, fileLines); err != nil {
		return err
	}
	b.report.add("lines from a container's file until all are found", "/s", fileLines/time.Since(began).Seconds())
	return nil
}

// counted returns when n lines with a word are found; it asks again at once.
func (in *instance) counted(ctx context.Context, index, word string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		got, err := in.count(ctx, index, word)
		if err != nil {
			return err
		}
		if got >= n {
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d lines are found: %w", got, n, err)
		}
	}
}

func (in *instance) count(ctx context.Context, index, query string) (int, error) {
	text, err := in.ask(ctx, http.MethodGet, "/elastic/"+index+"/_count?q="+url.QueryEscape(query), "", nil)
	if err != nil {
		return 0, err
	}
	var answer struct{ Count int }
	err = json.Unmarshal(text, &answer)
	return answer.Count, err
}

// diskUsed is the bytes of all files below a directory.
func diskUsed(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if fi, err := d.Info(); err == nil {
				sum += fi.Size()
			}
		}
		return nil
	})
	return sum
}
