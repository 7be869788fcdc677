package metrics

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"slipway.dev/cluster/disk"
)

// threeDays is the directory of a database with a block of each of the last three days.
func threeDays(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	now := time.Now()
	for days := 1; days <= 3; days++ {
		w, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), filepath.Join(dir, "tsdb"), 2*time.Hour.Milliseconds())
		if err != nil {
			t.Fatal(err)
		}
		a := w.Appender(t.Context())
		if _, err := a.Append(0, labels.FromStrings("__name__", "old"), now.AddDate(0, 0, -days).UnixMilli(), 1); err != nil {
			t.Fatal(err)
		}
		if err := a.Commit(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRetentionByTimeAndSize: what is beyond either goes, the oldest first.
func TestRetentionByTimeAndSize(t *testing.T) {
	dir := threeDays(t)
	// goes are the blocks that are deleted at the next look, by their place in time.
	goes := func(o Options) (which string, size int64) {
		t.Helper()
		m, err := at(t.Context(), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		blocks := m.db.Blocks()
		slices.SortFunc(blocks, func(a, b *tsdb.Block) int { return cmp.Compare(a.Meta().MinTime, b.Meta().MinTime) })
		gone := m.deletable(slices.Clone(blocks)) // which it sorts
		for i, b := range blocks {
			if _, ok := gone[b.Meta().ULID]; ok {
				which += strconv.Itoa(i)
			}
			size += b.Size()
		}
		size += m.db.Head().Size()
		if err := m.close(); err != nil {
			t.Fatal(err)
		}
		return which, size
	}
	none, size := goes(Options{})
	for _, tc := range []struct {
		o    Options
		want string
	}{
		{Options{MaxBytes: size + 1<<20}, ""}, {Options{MaxBytes: size - 1}, "0"}, {Options{MaxBytes: 1}, "012"},
		{Options{Retention: 60 * time.Hour}, ""}, {Options{Retention: 36 * time.Hour}, "0"}, {Options{Retention: 20 * time.Hour}, "01"},
	} {
		if got, _ := goes(tc.o); got != tc.want || none != "" {
			t.Errorf("%s and %d bytes of %d: %q go, want %q", tc.o.Retention, tc.o.MaxBytes, size, got, tc.want)
		}
	}
}

// TestTheOldestBlockGoesFirst while the disk is nearly full, and nothing does before.
func TestTheOldestBlockGoesFirst(t *testing.T) {
	blockReload = time.Second
	defer func() { blockReload = time.Minute }()
	dir := threeDays(t)
	m, err := at(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(m.db.Blocks()); n != 3 {
		t.Fatalf("%d blocks", n)
	}
	if gone := m.deletable(m.db.Blocks()); len(gone) > 0 {
		t.Fatalf("%v would go although there is room", gone)
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	if m, err = at(t.Context(), dir, Options{reserve: 1 << 60}); err != nil {
		t.Fatal(err)
	}
	defer m.close()
	blocks := m.db.Blocks()
	if gone := m.deletable(blocks); len(gone) != 1 {
		t.Fatalf("%v go", gone)
	} else if _, ok := gone[blocks[len(blocks)-1].Meta().ULID]; !ok { // newest first now
		t.Errorf("%v goes, and not the oldest", gone)
	}
	for end := time.Now().Add(2 * time.Minute); ; <-time.After(50 * time.Millisecond) {
		left, err := filepath.Glob(filepath.Join(dir, "tsdb", "0*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 && len(m.db.Blocks()) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("left: %v", left)
		}
	}
}

// TestAFullDiskIsSaid to who sends, and by the target that is scraped; what was stored is
// read, and it goes on when there is room again.
func TestAFullDiskIsSaid(t *testing.T) {
	dir := t.TempDir()
	m, err := at(t.Context(), dir, Options{ReceiveWrites: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	write := func(v float64) *httptest.ResponseRecorder {
		t.Helper()
		b, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
			Labels: []prompb.Label{{Name: "__name__", Value: "sent"}}, Samples: []prompb.Sample{{Value: v, Timestamp: time.Now().UnixMilli()}},
		}}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/api/v1/write", strings.NewReader(string(snappy.Encode(nil, b))))
		r.Header = http.Header{ScopeHeader: {"*"}, "Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"snappy"}}
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, r)
		return w
	}
	if w := write(1); w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m.room = disk.New(dir, 1<<60)
	done := make(chan struct{})
	go func() {
		m.room.Watch(ctx, 10*time.Millisecond, m.roomChanged)
		close(done)
	}()
	for end := time.Now().Add(2 * time.Minute); m.full.Load() == nil && time.Now().Before(end); <-time.After(5 * time.Millisecond) {
	}
	cancel()
	<-done
	if w := write(2); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "disk is nearly full") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	a := m.within().AppenderV2(t.Context())
	if _, err := a.Append(0, labels.FromStrings("__name__", "scraped"), 0, time.Now().UnixMilli(), 1, nil, nil, storage.AppendV2Options{}); err == nil || !strings.Contains(err.Error(), "disk is nearly full") {
		t.Errorf("a scrape: %v", err)
	}
	if err := a.Rollback(); err != nil {
		t.Error(err)
	}
	if w := ask(m, "*", "GET", "/api/v1/query?query=sent", nil); !strings.Contains(w.Body.String(), `"1"`) {
		t.Errorf("not read: %s", w.Body)
	}
	m.roomChanged(nil)
	if w := write(3); w.Code != http.StatusNoContent {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
