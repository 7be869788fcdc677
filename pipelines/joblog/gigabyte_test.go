package joblog

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// endless is a pod that prints a pattern as fast as it is read, up to a size.
type endless struct {
	pattern string
	size    int64
	given   atomic.Int64
	peak    uint64
}

func (e *endless) Stream(context.Context, string, string, string, *metav1.Time) (io.ReadCloser, error) {
	if e.given.Load() > 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return io.NopCloser(e), nil
}

func (e *endless) Ended(context.Context, string, string, string) (bool, error) { return true, nil }

func (e *endless) Read(p []byte) (int, error) {
	at := e.given.Load()
	if at >= e.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.size-at)
	for i := int64(0); i < n; {
		i += int64(copy(p[i:n], e.pattern[(at+i)%int64(len(e.pattern)):]))
	}
	if e.given.Add(n)>>24 != at>>24 { // every 16 MiB
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		e.peak = max(e.peak, m.HeapInuse)
	}
	return int(n), nil
}

// TestAGigabyteTakesLittleMemory, in lines or in one, and what is kept is the limit's.
func TestAGigabyteTakesLittleMemory(t *testing.T) {
	const most = 64 << 20
	for name, pattern := range map[string]string{
		"lines":    stamp(0) + " a line that nobody reads to its end\n",
		"one line": strings.Repeat("x", 4096),
		"no text":  string([]byte{0, 0xff, '\r', 0x1b, '[', 0xfe}),
		"newlines": stamp(0) + " \n",
	} {
		t.Run(name, func(t *testing.T) {
			s := NewStore(t.TempDir())
			s.max = 8 << 20
			pod := &endless{pattern: pattern, size: 1 << 30}
			c := &Collector{Store: s, Pods: pod, Log: slog.New(slog.DiscardHandler)}
			c.Start(t.Context())
			c.Follow(attempt, "pod", "step-job")
			got := read(t, s, true)
			c.Wait()
			if pod.given.Load() < 9<<20 || int64(len(got)) > s.max+200 {
				t.Errorf("%d bytes were read of the pod, %d are kept", pod.given.Load(), len(got))
			}
			if pod.peak > most {
				t.Errorf("%d MiB of memory, at most %d", pod.peak>>20, most>>20)
			}
			t.Logf("%d MiB read, %d MiB of memory, %d bytes kept", pod.given.Load()>>20, pod.peak>>20, len(got))
		})
	}
}
