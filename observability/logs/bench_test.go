package logs

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cpu is what this process used of it: a busy machine's clock says little.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchStore(b *testing.B) (*Store, string) {
	b.Helper()
	dir := b.TempDir()
	s, err := OpenStore(dir, quiet())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return s, dir
}

func benchRows(n, from int) []Row {
	rows := make([]Row, n)
	at := time.Now()
	for i := range rows {
		k := from + i
		rows[i] = NewRow(at.Add(time.Duration(k)*time.Microsecond).UnixNano(), map[string]string{
			"namespace": "default", IndexField: "logs-pods-default", "pod": "web-" + strconv.Itoa(k%8), "container": "web", "application": "shop",
			"stream": "stdout", "status": strconv.Itoa(200 + k%5), "_msg": fmt.Sprintf("10.1.%d.%d GET /cart/%d HTTP/1.1 200 in %d ms", k%250, k*7%199, k*7919%1000003, k*31%900),
		})
	}
	return rows
}

// BenchmarkKeep is rows into the store, fsync of the chunk log included.
func BenchmarkKeep(b *testing.B) {
	dir := b.TempDir()
	s, err := OpenStore(dir, quiet())
	if err != nil {
		b.Fatal(err)
	}
	const n = 5000
	before, total := cpu(b), 0
	for b.Loop() {
		if err := s.Keep("", benchRows(n, total)); err != nil {
			b.Fatal(err)
		}
		total += n
	}
	b.ReportMetric(float64(total)/(cpu(b)-before).Seconds(), "rows/cpu-s")
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "rows/s")
	// What is in memory comes to disk as the store closes.
	if err := s.close(); err != nil {
		b.Fatal(err)
	}
	var disk int64
	_ = filepath.Walk(filepath.Join(dir, "rows"), func(_ string, fi os.FileInfo, err error) error {
		if err == nil && !fi.IsDir() {
			disk += fi.Size()
		}
		return nil
	})
	b.ReportMetric(float64(disk)/float64(total), "disk-B/row")
}

// BenchmarkFile is lines from a container's file, through the collector and the forward
// protocol, to the store.
func BenchmarkFile(b *testing.B) {
	const n = 100_000
	line := func(i int) string {
		return fmt.Sprintf("%s stdout F 10.1.%d.%d GET /cart/%d HTTP/1.1 200 in %d ms\n", time.Now().UTC().Format(time.RFC3339Nano), i%250, i*7%199, i, i%900)
	}
	var text strings.Builder
	for i := range n {
		text.WriteString(line(i))
	}
	for b.Loop() {
		s, dir := benchStore(b)
		container := filepath.Join(dir, "pods", "default_shop-1_uid", "web")
		if err := os.MkdirAll(container, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(container, "0.log"), []byte(text.String()), 0o644); err != nil {
			b.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(dir, "forward.sock"))
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 2)
		before, started := cpu(b), time.Now()
		got := 0
		all := make(chan struct{})
		keep := func(id string, rows []Row, again bool) error {
			if err := s.Receive(id, rows, again); err != nil {
				return err
			}
			if got += len(rows); got == n {
				close(all)
			}
			return nil
		}
		go func() { done <- (&Receiver{Own: true, Keep: keep, Log: quiet()}).Serve(ctx, l) }()
		go func() { done <- testCollector(dir).Run(ctx) }()
		<-all
		b.ReportMetric(n/(cpu(b)-before).Seconds(), "lines/cpu-s")
		b.ReportMetric(n/time.Since(started).Seconds(), "lines/s")
		cancel()
		<-done
		<-done
	}
}

// BenchmarkFound is how long a line takes from being kept to being found.
func BenchmarkFound(b *testing.B) {
	s, _ := benchStore(b)
	var took []time.Duration
	for b.Loop() {
		id := NewChunkID()
		started := time.Now()
		if err := s.Keep(id, []Row{NewRow(started.UnixNano(), map[string]string{"namespace": "default", "_msg": id})}); err != nil {
			b.Fatal(err)
		}
		for found := false; !found; {
			if err := s.Select(context.Background(), Selection{Every: true, Text: Quote(id)}, func([]Field) { found = true }); err != nil {
				b.Fatal(err)
			}
			<-time.After(5 * time.Millisecond)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "p99-ms")
}
