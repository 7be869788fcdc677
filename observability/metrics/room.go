package metrics

import (
	"context"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// roomInterval is how often it is looked whether the disk has room.
const roomInterval = 5 * time.Second

// blockReload is how often the database looks for blocks to delete, one of which goes each
// time while the disk is nearly full.
var blockReload = time.Minute

// deletable are the blocks that go: by retention, and the oldest when the disk is nearly
// full, as new samples are worth more than those of two weeks ago.
func (m *Metrics) deletable(blocks []*tsdb.Block) map[ulid.ULID]struct{} {
	db := m.blocks.Load()
	if db == nil { // still being opened
		return nil
	}
	gone := tsdb.DefaultBlocksToDelete(db)(blocks)
	full := m.oldest.Room()
	if full == nil {
		return gone
	}
	left := slices.DeleteFunc(slices.Clone(blocks), func(b *tsdb.Block) bool {
		_, ok := gone[b.Meta().ULID]
		return ok
	})
	if len(left) == 0 {
		return gone
	}
	oldest := slices.MinFunc(left, func(a, b *tsdb.Block) int { return int(min(max(a.Meta().MaxTime-b.Meta().MaxTime, -1), 1)) }).Meta()
	m.log.Warn("the oldest samples are dropped", "from", time.UnixMilli(oldest.MinTime).UTC(), "until", time.UnixMilli(oldest.MaxTime).UTC(), "blocks left", len(left)-1, "why", full)
	gone[oldest.ULID] = struct{}{}
	return gone
}

func (m *Metrics) roomChanged(full error) {
	if full == nil {
		m.full.Store(nil)
		m.log.Info("samples are stored again")
		return
	}
	m.full.Store(&full)
	m.log.Error("no samples are stored", "why", full)
}

// gate refuses samples while the disk has no room for them, with an error that is the
// target's, the rule's or the sender's: half a write-ahead log helps nobody, and the last of
// the disk is etcd's. That a series ended is said all the same.
type gate struct {
	storage.Storage
	m *Metrics
}

// Appender implements storage.Appendable.
func (g gate) Appender(ctx context.Context) storage.Appender {
	return gated{g.Storage.Appender(ctx), g.m}
}

// AppenderV2 implements storage.AppendableV2.
func (g gate) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return gatedV2{g.Storage.AppenderV2(ctx), g.m}
}

func (m *Metrics) mayStore(v float64) error {
	if full := m.full.Load(); full != nil && !value.IsStaleNaN(v) {
		return *full
	}
	return nil
}

type gated struct {
	storage.Appender
	m *Metrics
}

// Append implements storage.Appender.
func (g gated) Append(ref storage.SeriesRef, l labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	if err := g.m.mayStore(v); err != nil {
		return 0, err
	}
	return g.Appender.Append(ref, l, t, v)
}

// AppendHistogram implements storage.HistogramAppender.
func (g gated) AppendHistogram(ref storage.SeriesRef, l labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	if err := g.m.mayStore(0); err != nil {
		return 0, err
	}
	return g.Appender.AppendHistogram(ref, l, t, h, fh)
}

type gatedV2 struct {
	storage.AppenderV2
	m *Metrics
}

// Append implements storage.AppenderV2.
func (g gatedV2) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	if err := g.m.mayStore(v); err != nil {
		return 0, err
	}
	return g.AppenderV2.Append(ref, ls, st, t, v, h, fh, o)
}

// AppendExemplars implements storage.ExemplarAppenderV2, which remote write needs.
func (g gatedV2) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, es []exemplar.Exemplar) (storage.SeriesRef, error) {
	a, ok := g.AppenderV2.(storage.ExemplarAppenderV2)
	if !ok {
		return ref, nil
	}
	return a.AppendExemplars(ref, ls, es)
}
