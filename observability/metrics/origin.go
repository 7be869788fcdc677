package metrics

import (
	"context"
	"fmt"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"slipway.dev/observability/selectors"
)

// signed is a store for what is not Slipway's own: every series that comes in by it has
// selectors.OriginLabel, whatever its target, its sender or a step of relabelling said.
type signed struct {
	storage.AppendableV2
	// origin of a series with these labels.
	origin func(labels.Labels) string
}

// ofNamespaces is for the targets of namespaces, whose label says whose they are.
func ofNamespaces(into storage.AppendableV2) storage.AppendableV2 {
	return signed{into, func(ls labels.Labels) string { return ls.Get(NamespaceLabel) }}
}

// written is for what another Prometheus writes in.
func written(into storage.AppendableV2) storage.AppendableV2 {
	return signed{into, func(labels.Labels) string { return selectors.Written }}
}

// AppenderV2 implements storage.AppendableV2.
func (s signed) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return signedAppender{s.AppendableV2.AppenderV2(ctx), s.origin}
}

type signedAppender struct {
	storage.AppenderV2
	origin func(labels.Labels) string
}

func (a signedAppender) sign(ls labels.Labels) (labels.Labels, error) {
	origin := a.origin(ls)
	if origin == "" {
		return ls, fmt.Errorf("series %s says of no namespace that it is its", ls)
	}
	if ls.Get(selectors.OriginLabel) == origin {
		return ls, nil
	}
	return labels.NewBuilder(ls).Set(selectors.OriginLabel, origin).Labels(), nil
}

// Append implements storage.AppenderV2.
func (a signedAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	if ref == 0 { // it may be a new series
		var err error
		if ls, err = a.sign(ls); err != nil {
			return 0, err
		}
	}
	return a.AppenderV2.Append(ref, ls, st, t, v, h, fh, o)
}

// AppendExemplars implements storage.ExemplarAppenderV2, which remote write needs.
func (a signedAppender) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, es []exemplar.Exemplar) (storage.SeriesRef, error) {
	to, ok := a.AppenderV2.(storage.ExemplarAppenderV2)
	if !ok {
		return ref, nil
	}
	ls, err := a.sign(ls)
	if err != nil {
		return 0, err
	}
	return to.AppendExemplars(ref, ls, es)
}
