package logs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fsnotify/fsnotify"
)

// said is a log that tests look at while it is written.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) has(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), text)
}

// TestTheKernelHasNoRoomForWatches: lines are found all the same, it is said once, and
// when there is room again the kernel is asked.
func TestTheKernelHasNoRoomForWatches(t *testing.T) {
	dir := t.TempDir()
	container := filepath.Join(dir, "pods", "default_shop-1_uid", "web")
	if err := os.MkdirAll(container, 0o755); err != nil {
		t.Fatal(err)
	}
	store := openStore(t, filepath.Join(dir, "store"))
	defer runStore(t, store)()
	defer receiveOwn(t, store, dir)()
	var room atomic.Bool
	var log said
	c := testCollector(dir)
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	c.watch = func() (*fsnotify.Watcher, error) {
		if room.Load() {
			return fsnotify.NewWatcher()
		}
		return nil, syscall.EMFILE
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	for i := range 3 {
		f, err := os.OpenFile(filepath.Join(container, "0.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString(record("F", fmt.Sprint("line ", i)))
		_ = f.Close()
		eventually(t, "a line", func() bool { return count(t, store, "default", "") == i+1 })
		if i == 1 {
			room.Store(true)
			eventually(t, "the kernel", func() bool { return log.has("tells of log files again") == 1 })
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := log.has("max_user_instances"); n != 1 {
		t.Errorf("said %d times", n)
	}
}
