package metrics

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// ErrSeries is why new series of a namespace are not stored.
var ErrSeries = errors.New("series limit exceeded")

// census counts the series in memory by their namespace. A series stays there for two to
// three hours after its last sample, also one that was rolled back, so that labels which
// change with each scrape eat memory although no scrape is over its limit.
type census struct {
	mu sync.Mutex
	of map[string]int
}

// PreCreation implements tsdb.SeriesLifecycleCallback.
func (*census) PreCreation(labels.Labels) error { return nil }

// PostCreation implements tsdb.SeriesLifecycleCallback.
func (c *census) PostCreation(ls labels.Labels) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[ls.Get(NamespaceLabel)]++
}

// PostDeletion implements tsdb.SeriesLifecycleCallback.
func (c *census) PostDeletion(gone map[chunks.HeadSeriesRef]labels.Labels) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ls := range gone {
		namespace := ls.Get(NamespaceLabel)
		if c.of[namespace]--; c.of[namespace] <= 0 {
			delete(c.of, namespace)
		}
	}
}

func (c *census) count(namespace string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[namespace]
}

// within is the store for what users have a say in: it creates no series of a namespace
// that has as many as it may. Those that exist go on.
func (m *Metrics) within() storage.AppendableV2 { return within{m} }

type within struct{ m *Metrics }

// AppenderV2 implements storage.AppendableV2.
func (w within) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &appender{AppenderV2: w.m.store.AppenderV2(ctx), m: w.m}
}

type appender struct {
	storage.AppenderV2
	m *Metrics
}

// Append implements storage.AppenderV2. Who appends again and again knows the reference.
func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	if ref == 0 {
		namespace := ls.Get(NamespaceLabel)
		if n := a.m.census.count(namespace); n >= a.m.opts.MaxSeries && !a.m.has(ls) {
			return 0, fmt.Errorf("%w: namespace %s has %d in memory, of %d (--metrics-max-series)", ErrSeries, namespace, n, a.m.opts.MaxSeries)
		}
	}
	return a.AppenderV2.Append(ref, ls, st, t, v, h, fh, o)
}

// has says whether a series is in memory.
func (m *Metrics) has(ls labels.Labels) bool {
	probe := m.db.Head().AppenderV2(context.Background())
	defer func() { _ = probe.Rollback() }()
	known, ok := probe.(storage.GetRef)
	if !ok {
		return false
	}
	ref, _ := known.GetRef(ls, ls.Hash())
	return ref != 0
}
