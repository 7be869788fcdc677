package metrics

import (
	"context"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// confined is a storage in which every selection is narrowed to the scope of its
// context. Whatever a query is written like (subqueries, `or`, label_replace, regular
// expressions, selectors of series, federation, remote read), it reads series by these
// methods only, so that there is nothing to get around.
type confined struct{ storage.Storage }

// ExemplarQuerier is confined too.
type confinedExemplars struct{ storage.ExemplarQueryable }

func narrow(ctx context.Context, ms []*labels.Matcher) []*labels.Matcher {
	m := scopeOf(ctx).matcher()
	if m == nil {
		return ms
	}
	return append(append(make([]*labels.Matcher, 0, len(ms)+1), ms...), m)
}

func (c confined) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := c.Storage.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return confinedQuerier{confinedLabels{q}, q}, nil
}

func (c confined) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	q, err := c.Storage.ChunkQuerier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return confinedChunks{confinedLabels{q}, q}, nil
}

type confinedLabels struct{ q storage.LabelQuerier }

func (c confinedLabels) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return c.q.LabelValues(ctx, name, hints, narrow(ctx, ms)...)
}

func (c confinedLabels) LabelNames(ctx context.Context, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return c.q.LabelNames(ctx, hints, narrow(ctx, ms)...)
}

func (c confinedLabels) Close() error { return c.q.Close() }

type confinedQuerier struct {
	confinedLabels
	q storage.Querier
}

func (c confinedQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	return c.q.Select(ctx, sorted, hints, narrow(ctx, ms)...)
}

type confinedChunks struct {
	confinedLabels
	q storage.ChunkQuerier
}

func (c confinedChunks) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.ChunkSeriesSet {
	return c.q.Select(ctx, sorted, hints, narrow(ctx, ms)...)
}

func (c confinedExemplars) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	q, err := c.ExemplarQueryable.ExemplarQuerier(ctx)
	if err != nil {
		return nil, err
	}
	return confinedExemplarQuerier{ctx, q}, nil
}

type confinedExemplarQuerier struct {
	ctx context.Context // its scope; Select has no context of its own
	q   storage.ExemplarQuerier
}

func (c confinedExemplarQuerier) Select(start, end int64, sets ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	narrowed := make([][]*labels.Matcher, len(sets))
	for i, ms := range sets {
		narrowed[i] = narrow(c.ctx, ms)
	}
	return c.q.Select(start, end, narrowed...)
}
