package disk

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestRoomEndsAtTheReserve(t *testing.T) {
	g := New(t.TempDir(), 0)
	for free, room := range map[uint64]bool{2 << 30: true, Reserve: true, Reserve - 1: false, 0: false} {
		g.free = func(string) (uint64, error) { return free, nil }
		err := g.Room()
		if (err == nil) != room {
			t.Errorf("%d bytes free: %v", free, err)
		}
		if full := (Full{}); err != nil && (!errors.As(err, &full) || full.Free != free) {
			t.Errorf("%d bytes free: %v", free, err)
		}
	}
	g.free = func(string) (uint64, error) { return 700 << 20, nil }
	if err := g.Room(); !strings.Contains(err.Error(), "700 MiB free") || !strings.Contains(err.Error(), "1024 MiB") {
		t.Errorf("says %v", err)
	}
}

func TestRoomEndsWithTheFilesThatCanBeMade(t *testing.T) {
	for _, c := range []struct {
		free, all uint64
		room      bool
	}{{1000, 10000, true}, {400, 10000, true}, {399, 10000, false}, {0, 10000, false}, {0, 0, true}} { // btrfs counts none
		g := New(t.TempDir(), 0)
		g.free = func(string) (uint64, error) { return Reserve, nil }
		g.files = func(string) (uint64, uint64, error) { return c.free, c.all, nil }
		err := g.Room()
		if full := (Full{}); (err == nil) != c.room || err != nil && (!errors.As(err, &full) || full.FilesFree != c.free || !strings.Contains(err.Error(), "df -i")) {
			t.Errorf("%d of %d: %v", c.free, c.all, err)
		}
		// Of metrics and lines, the oldest go for bytes alone.
		other := New(t.TempDir(), Logs)
		other.free, other.files = g.free, nil
		if err := other.Room(); err != nil {
			t.Errorf("%d of %d: %v", c.free, c.all, err)
		}
	}
	if _, _, err := Files("/does/not/exist"); err == nil {
		t.Error("files of a directory that does not exist")
	}
}

func TestDirectoryIsAsked(t *testing.T) {
	if free, err := Free(t.TempDir()); err != nil || free == 0 {
		t.Errorf("%d %v", free, err)
	}
	if err := New("/does/not/exist", 0).Room(); err == nil {
		t.Error("there is room in a directory that does not exist")
	}
	if err := New(t.TempDir(), 1<<62).Room(); !errors.As(err, &Full{}) {
		t.Errorf("no disk is that large: %v", err)
	}
}

// TestLimitsAreInOrder: what users bring stops before logs, and those before pods.
func TestLimitsAreInOrder(t *testing.T) {
	if !(Reserve > Logs && Logs > Evict) {
		t.Errorf("%d %d %d", Reserve, Logs, Evict)
	}
}

func TestWatchTellsOfChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New("/", 100)
		var looks int
		g.free = func(string) (uint64, error) {
			looks++
			if looks == 2 || looks == 3 {
				return 10, nil
			}
			return 1000, nil
		}
		var told []bool
		ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
		defer cancel()
		g.Watch(ctx, time.Second, func(err error) { told = append(told, err != nil) })
		if looks != 6 || len(told) != 2 || !told[0] || told[1] {
			t.Errorf("%d looks, told %v", looks, told)
		}
	})
}

func TestMetrics(t *testing.T) {
	g, reg := New("/", 100), prometheus.NewRegistry()
	g.free = func(string) (uint64, error) { return 7, nil }
	if err := g.Register(reg); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP slipway_disk_free_bytes Bytes free on the disk of the data directory; -1 where it cannot be asked.
# TYPE slipway_disk_free_bytes gauge
slipway_disk_free_bytes 7
# HELP slipway_disk_reserve_bytes Bytes that are kept free: below them pushes, images and artifacts are refused.
# TYPE slipway_disk_reserve_bytes gauge
slipway_disk_reserve_bytes 100
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// TestReader: what comes in stops when room ends, not at its own end.
func TestReader(t *testing.T) {
	asked := 0
	room := func() error {
		if asked++; asked > 2 {
			return Full{Free: 1, Reserve: 2}
		}
		return nil
	}
	n, err := io.Copy(io.Discard, Reader(io.LimitReader(zeros{}, 1<<40), room))
	if !errors.As(err, new(Full)) || n < checkEvery || n > 3*checkEvery {
		t.Errorf("%d bytes: %v", n, err)
	}
	if n, err := io.Copy(io.Discard, Reader(io.LimitReader(zeros{}, 10), room)); n != 0 || err == nil {
		t.Errorf("a full disk takes %d bytes: %v", n, err)
	}
	if n, err := io.Copy(io.Discard, Reader(io.LimitReader(zeros{}, 10), func() error { return nil })); n != 10 || err != nil {
		t.Errorf("%d bytes: %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
