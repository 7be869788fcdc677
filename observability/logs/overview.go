package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Overview says when the rows of a query were, and which values their fields have.
type Overview struct {
	// Step is how long a bucket is.
	Step    time.Duration `json:"step"`
	Buckets []Bucket      `json:"buckets"`
	Facets  []Facet       `json:"facets"`
}

// Bucket is how many rows there were from a time on.
type Bucket struct {
	Time  time.Time `json:"time"`
	Count int       `json:"count"`
}

// Facet is a field with its most frequent values.
type Facet struct {
	Field  string       `json:"field"`
	Values []FacetValue `json:"values"`
}

// FacetValue is a value and how many rows have it.
type FacetValue struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

const (
	// buckets are about how many a histogram has.
	buckets = 60
	// FacetValues are shown of a field; one with more than maxFacetValues tells nothing.
	FacetValues, maxFacetValues = 8, 1000
)

// steps are what a person expects a bucket to be.
var steps = []time.Duration{
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// Step is how long a bucket of the query's overview is.
func (q Query) Step() time.Duration { return stepFor(q.End.Sub(q.Start)) }

// Buckets are those between the query's bounds, with the counts by their first nanosecond.
func (q Query) Buckets(counts map[int64]int) []Bucket {
	all := []Bucket{}
	for t := q.Start.Truncate(q.Step()); t.Before(q.End); t = t.Add(q.Step()) {
		all = append(all, Bucket{t.UTC(), counts[t.UnixNano()]})
	}
	return all
}

func stepFor(d time.Duration) time.Duration {
	for _, s := range steps {
		if d/s <= buckets {
			return s
		}
	}
	return steps[len(steps)-1]
}

// Overview counts the rows of a query by time and by their fields' values.
func (s *Store) Overview(ctx context.Context, query Query) (*Overview, error) {
	text := query.Text
	if text == "" {
		text = "*"
	}
	if err := affordable(text); err != nil {
		return nil, err
	}
	o := &Overview{Step: query.Step(), Facets: []Facet{}}
	sel := Selection{Namespaces: []string{query.Namespace}, Start: query.Start, End: query.End}
	counts := map[int64]int{}
	sel.Text = fmt.Sprintf("%s | stats by (_time:%ds) count() n", text, int(o.Step.Seconds()))
	err := s.Select(ctx, sel, func(fields []Field) {
		var at time.Time
		n := 0
		for _, f := range fields {
			switch f.Name {
			case "_time":
				at, _ = time.Parse(time.RFC3339Nano, f.Value)
			case "n":
				n, _ = strconv.Atoi(f.Value)
			}
		}
		counts[at.UnixNano()] = n
	})
	if err != nil {
		return nil, err
	}
	o.Buckets = query.Buckets(counts)
	sel.Text = fmt.Sprintf("%s | facets %d max_values_per_field %d max_value_len 128", text, FacetValues, maxFacetValues)
	err = s.Select(ctx, sel, func(fields []Field) {
		var name, value, hits string
		for _, f := range fields {
			switch f.Name {
			case "field_name":
				name = f.Value
			case "field_value":
				value = f.Value
			case "hits":
				hits = f.Value
			}
		}
		if strings.HasPrefix(name, "_") || name == "namespace" || value == "" {
			return
		}
		n, _ := strconv.Atoi(hits)
		if len(o.Facets) == 0 || o.Facets[len(o.Facets)-1].Field != name {
			o.Facets = append(o.Facets, Facet{Field: strings.Clone(name)})
		}
		last := &o.Facets[len(o.Facets)-1]
		last.Values = append(last.Values, FacetValue{strings.Clone(value), n})
	})
	for _, f := range o.Facets {
		slices.SortStableFunc(f.Values, func(a, b FacetValue) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
		})
	}
	return o, err
}

// Around is where a line is: its container's others before and after it are its context.
type Around struct {
	Namespace, Pod, Container string
	At                        time.Time
	Before, After             int
}

// MaxAround is how far from a line its context may be in time.
const MaxAround = 24 * time.Hour

// queries are those of the lines before and at the time, and of those after it.
func (a Around) queries() (before, after Selection) {
	filter := fmt.Sprintf("pod:=%s container:=%s", Quote(a.Pod), Quote(a.Container))
	own := []string{a.Namespace}
	before = Selection{Namespaces: own, Start: a.At.Add(-MaxAround), End: a.At, Text: filter + fmt.Sprintf(" | sort by (_time) desc limit %d", a.Before+1)}
	after = Selection{Namespaces: own, Start: a.At.Add(1), End: a.At.Add(MaxAround), Text: filter + fmt.Sprintf(" | sort by (_time) limit %d", a.After)}
	return before, after
}
