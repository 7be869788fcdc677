package bench

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"golang.org/x/sync/errgroup"
)

const (
	seriesBatch   = 2000 // as a Prometheus sends them
	seriesWriters = 4
	seriesTimes   = 60 // samples of each series
	seriesEvery   = 30 * time.Second
	seriesGroup   = 10 // of these times are a round
	rangeRounds   = 5
)

// series are written as another Prometheus would (remote write), and asked for.
func (b *bench) series(ctx context.Context, in *instance) error {
	pid, err := observer(in)
	if err != nil {
		return err
	}
	for _, n := range []int{10_000, 100_000} {
		kb, err := proportional(pid)
		if err != nil {
			return err
		}
		to := time.Now().Truncate(time.Second)
		from := to.Add(-(seriesTimes - 1) * seriesEvery)
		if err := b.write(ctx, in, pid, n, from); err != nil {
			return err
		}
		now, err := proportional(pid)
		if err != nil {
			return err
		}
		b.report.add(fmt.Sprintf("memory of an active series, %d series of %d samples", n, seriesTimes), "B", float64(now-kb)*1024/float64(n))
		for _, q := range []struct{ what, promql string }{
			{"a rate summed by pod", "sum by (pod) (rate(bench_%d_total[5m]))"},
			{"a rate of one pod's 100 series", `rate(bench_%d_total{pod="pod-7"}[5m])`},
			{"the ten greatest of all", "topk(10, bench_%d_total)"},
		} {
			promql := fmt.Sprintf(q.promql, n)
			for range rangeRounds {
				took, got, err := in.ranged(ctx, promql, from, to, seriesEvery)
				if err != nil || got == 0 {
					return fmt.Errorf("query %s: %d series, %w", promql, got, err)
				}
				b.report.add(fmt.Sprintf("range query of 30 minutes in %d steps over %d series: %s", seriesTimes, n, q.what), "ms", float64(took.Microseconds())/1000)
			}
		}
	}
	return nil
}

// write samples of n series, from a time on. Making the requests does not count.
func (b *bench) write(ctx context.Context, in *instance, pid, n int, from time.Time) error {
	var took, cpu float64
	for t := range seriesTimes {
		bodies := make([][]byte, 0, n/seriesBatch)
		for first := 0; first < n; first += seriesBatch {
			body, err := samples(n, first, t, from.Add(time.Duration(t)*seriesEvery).UnixMilli())
			if err != nil {
				return err
			}
			bodies = append(bodies, body)
		}
		began, before := time.Now(), used(pid)
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(seriesWriters)
		for _, body := range bodies {
			g.Go(func() error {
				_, err := in.ask(ctx, http.MethodPost, "/prometheus/api/v1/write", "application/x-protobuf", body)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		took, cpu = took+time.Since(began).Seconds(), cpu+used(pid)-before
		if (t+1)%seriesGroup == 0 {
			total := float64(n * seriesGroup)
			b.report.add(fmt.Sprintf("samples into the store, %d series", n), "/s", total/took)
			if cpu > 0 {
				b.report.add(fmt.Sprintf("samples into the store in a second of one core of the child, %d series", n), "", total/cpu)
			}
			took, cpu = 0, 0
		}
	}
	return nil
}

// samples is a request with one sample of each series of a batch.
func samples(n, first, t int, at int64) ([]byte, error) {
	var w prompb.WriteRequest
	for i := first; i < min(first+seriesBatch, n); i++ {
		w.Timeseries = append(w.Timeseries, prompb.TimeSeries{
			Labels: []prompb.Label{
				{Name: "__name__", Value: fmt.Sprintf("bench_%d_total", n)}, {Name: "code", Value: "200"}, {Name: "handler", Value: fmt.Sprintf("/path/%d", i%100)},
				{Name: "job", Value: "bench"}, {Name: "namespace", Value: "default"}, {Name: "pod", Value: fmt.Sprintf("pod-%d", i/100)},
			},
			Samples: []prompb.Sample{{Timestamp: at, Value: float64(t*(100+i%17) + i)}},
		})
	}
	raw, err := w.Marshal()
	if err != nil {
		return nil, err
	}
	return snappy.Encode(nil, raw), nil
}
