package remote

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"slipway.dev/observability/logs"
)

// index is what is searched: what is written.
const index = Prefix + "logs-*"

// nanosecond is the form of a bound and of a time that is given back.
const nanosecond = "strict_date_optional_time_nanos"

// facets are the fields by whose values an overview counts.
var facets = []string{"pod", "container", "stream", "node", "application", "release", "commit", "run", "job", "level"}

type m = map[string]any

// body is a search of a namespace's lines between two times. What a caller wrote is one
// member among the filters, and cannot leave it.
func body(namespace string, start, end time.Time, more ...any) m {
	filters := []any{
		m{"term": m{"namespace": m{"value": namespace}}},
		m{"range": m{"@timestamp": m{"gte": start.UTC().Format(time.RFC3339Nano), "lt": end.UTC().Format(time.RFC3339Nano), "format": nanosecond}}},
	}
	return m{"track_total_hits": false, "query": m{"bool": m{"filter": append(filters, more...)}}}
}

// written is what a query's text asks for: a query string.
func written(text string) []any {
	if text == "" {
		return nil
	}
	return []any{m{"query_string": m{"query": text}}}
}

func by(order string) []any {
	return []any{m{"@timestamp": m{"order": order, "format": nanosecond}}}
}

func equals(field, v string) m { return m{"term": m{field: m{"value": v}}} }

type answer struct {
	TimedOut bool `json:"timed_out"`
	Shards   struct {
		Total, Failed int
		Failures      []struct{ Reason struct{ Reason string } }
	} `json:"_shards"`
	Hits struct {
		Hits []struct {
			Source map[string]any `json:"_source"`
		}
	}
	Aggregations map[string]struct {
		Buckets []struct {
			Key   any
			Count int `json:"doc_count"`
		}
	}
}

// ask does a search. What of the text is wrong is the caller's doing.
func (r *Remote) ask(ctx context.Context, text string, body m) (answer, error) {
	var a answer
	if r.client == nil {
		return a, fmt.Errorf("%w: no Elasticsearch is configured; set logs.elasticsearch, or `slipway logstack apply`", logs.ErrQuery)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return a, err
	}
	yes := true
	err = r.call(ctx, esapi.SearchRequest{Index: []string{index}, Body: bytes.NewReader(b), IgnoreUnavailable: &yes, AllowNoIndices: &yes}, "search", &a)
	var status *statusError
	if errors.As(err, &status) && status.status == http.StatusBadRequest {
		return a, fmt.Errorf("%w %q: %s says %s", logs.ErrQuery, text, r.Name(), status.reason())
	}
	if err == nil {
		err = a.whole(r.Name())
	}
	return a, err
}

// whole refuses an answer of a part of the lines: Elasticsearch gives what it has with 200.
func (a answer) whole(name string) error {
	switch {
	case a.TimedOut:
		return fmt.Errorf("%s ended the search before it was through (timed_out); narrow it", name)
	case a.Shards.Failed > 0:
		reason := "it gives no reason"
		for _, f := range a.Shards.Failures {
			reason = cmp.Or(f.Reason.Reason, reason)
		}
		return fmt.Errorf("%s searched a part of the lines only: %d of %d shards failed: %.300s", name, a.Shards.Failed, a.Shards.Total, reason)
	}
	return nil
}

// reason is what an error of Elasticsearch's says in its innermost part.
func (e *statusError) reason() string {
	var b struct {
		Error struct {
			Reason string
			Root   []struct{ Reason string } `json:"root_cause"`
		}
	}
	if json.Unmarshal([]byte(e.body), &b) != nil {
		return e.body
	}
	if len(b.Error.Root) > 0 {
		return b.Error.Root[0].Reason
	}
	return cmp.Or(b.Error.Reason, e.body)
}

// Search writes the newest lines that match to w as lines of JSON, oldest first. Text is
// a query string.
func (r *Remote) Search(ctx context.Context, w io.Writer, q logs.Query) error {
	if q.Follow {
		return fmt.Errorf("%w %q: lines cannot be followed there; the log store has them as they come", logs.ErrQuery, q.Text)
	}
	if q.Limit == 0 {
		return fmt.Errorf("%w %q: all lines are written by the log store alone; give a limit", logs.ErrQuery, q.Text)
	}
	b := body(q.Namespace, q.Start, q.End, written(q.Text)...)
	b["size"], b["sort"] = q.Limit, by("desc")
	a, err := r.ask(ctx, q.Text, b)
	if err != nil {
		return err
	}
	rows := a.rows()
	slices.Reverse(rows)
	return write(w, rows)
}

// Context writes the lines around one, oldest first.
func (r *Remote) Context(ctx context.Context, w io.Writer, around logs.Around) error {
	of := []any{equals("pod", around.Pod), equals("container", around.Container)}
	before := body(around.Namespace, around.At.Add(-logs.MaxAround), around.At.Add(1), of...)
	before["size"], before["sort"] = around.Before+1, by("desc")
	after := body(around.Namespace, around.At.Add(1), around.At.Add(logs.MaxAround), of...)
	after["size"], after["sort"] = around.After, by("asc")
	a, err := r.ask(ctx, "", before)
	if err != nil {
		return err
	}
	rows := a.rows()
	slices.Reverse(rows)
	if a, err = r.ask(ctx, "", after); err != nil {
		return err
	}
	return write(w, append(rows, a.rows()...))
}

// Overview counts the lines of a query by time and by their fields' values.
func (r *Remote) Overview(ctx context.Context, q logs.Query) (*logs.Overview, error) {
	step := q.Step()
	b := body(q.Namespace, q.Start, q.End, written(q.Text)...)
	aggs := m{"time": m{"date_histogram": m{"field": "@timestamp", "fixed_interval": fmt.Sprintf("%ds", int(step.Seconds())), "min_doc_count": 1}}}
	for _, f := range facets {
		aggs[f] = m{"terms": m{"field": f, "size": logs.FacetValues}}
	}
	b["size"], b["aggregations"] = 0, aggs
	a, err := r.ask(ctx, q.Text, b)
	if err != nil {
		return nil, err
	}
	counts := map[int64]int{}
	for _, bucket := range a.Aggregations["time"].Buckets {
		if ms, ok := bucket.Key.(float64); ok {
			counts[time.UnixMilli(int64(ms)).UnixNano()] = bucket.Count
		}
	}
	o := &logs.Overview{Step: step, Buckets: q.Buckets(counts), Facets: []logs.Facet{}}
	for _, f := range facets {
		var values []logs.FacetValue
		for _, bucket := range a.Aggregations[f].Buckets {
			if v := fmt.Sprint(bucket.Key); v != "" {
				values = append(values, logs.FacetValue{Value: v, Count: bucket.Count})
			}
		}
		if len(values) > 0 {
			o.Facets = append(o.Facets, logs.Facet{Field: f, Values: values})
		}
	}
	return o, nil
}

// rows are the hits in the names of the log store, every value a text.
func (a answer) rows() []map[string]string {
	rows := make([]map[string]string, len(a.Hits.Hits))
	for i, h := range a.Hits.Hits {
		row := map[string]string{}
		flatten(row, "", h.Source, 0)
		for theirs, own := range map[string]string{"@timestamp": "_time", "message": "_msg"} {
			if v, ok := row[theirs]; ok {
				delete(row, theirs)
				row[own] = v
			}
		}
		rows[i] = row
	}
	return rows
}

func flatten(row map[string]string, path string, v any, depth int) {
	switch v := v.(type) {
	case nil:
	case string:
		row[path] = v
	case map[string]any:
		if depth < 20 {
			for k, v := range v {
				flatten(row, strings.TrimPrefix(path+"."+k, "."), v, depth+1)
			}
			return
		}
		row[path] = fmt.Sprint(v)
	default:
		b, _ := json.Marshal(v) // came as JSON
		row[path] = string(b)
	}
}

func write(w io.Writer, rows []map[string]string) error {
	for _, row := range rows {
		b, err := json.Marshal(row)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return nil
}
