package metrics

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// federate answers with the last sample of every series that a match[] selects, for
// another Prometheus to scrape. Native histograms have no form in text and are left out.
func federate(db storage.Queryable, p parser.Parser) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		sets, err := p.ParseMetricSelectors(r.Form["match[]"])
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		now := time.Now()
		families, err := latest(r, db, sets, now.Add(-lookback).UnixMilli(), now.UnixMilli())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		format := expfmt.Negotiate(r.Header)
		w.Header().Set("Content-Type", string(format))
		enc := expfmt.NewEncoder(w, format)
		for _, f := range families {
			if enc.Encode(f) != nil {
				return // the caller is gone
			}
		}
	}
}

func latest(r *http.Request, db storage.Queryable, sets [][]*labels.Matcher, mint, maxt int64) ([]*dto.MetricFamily, error) {
	q, err := db.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	var selected []storage.SeriesSet
	for _, ms := range sets {
		selected = append(selected, q.Select(r.Context(), true, &storage.SelectHints{Start: mint, End: maxt}, ms...))
	}
	byName := map[string]*dto.MetricFamily{}
	all := storage.NewMergeSeriesSet(selected, 0, storage.ChainedSeriesMerge)
	var it chunkenc.Iterator
	for all.Next() {
		s := all.At()
		it = s.Iterator(it)
		var at int64
		var v float64
		found := false
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if found = kind == chunkenc.ValFloat; found {
				at, v = it.At()
			}
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
		name := s.Labels().Get(labels.MetricName)
		if !found || value.IsStaleNaN(v) || name == "" {
			continue
		}
		f := byName[name]
		if f == nil {
			f = &dto.MetricFamily{Name: &name, Type: dto.MetricType_UNTYPED.Enum()}
			byName[name] = f
		}
		f.Metric = append(f.Metric, sample(s.Labels(), at, v))
	}
	families := make([]*dto.MetricFamily, 0, len(byName))
	for _, f := range byName {
		families = append(families, f)
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, errors.Join(append(all.Warnings().AsErrors(), all.Err(), r.Context().Err())...)
}

// sample always has the label instance, as a Prometheus that scrapes it with
// honor_labels would otherwise give it its own.
func sample(l labels.Labels, at int64, v float64) *dto.Metric {
	m := &dto.Metric{TimestampMs: &at, Untyped: &dto.Untyped{Value: &v}}
	for name, text := range l.Map() {
		if name != labels.MetricName {
			m.Label = append(m.Label, &dto.LabelPair{Name: &name, Value: &text})
		}
	}
	if !l.Has("instance") {
		name, text := "instance", ""
		m.Label = append(m.Label, &dto.LabelPair{Name: &name, Value: &text})
	}
	slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return m
}
