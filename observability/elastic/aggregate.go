package elastic

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway.dev/observability/logs"
)

// bucket is a group of rows: the values of the keys on the way to it, how many rows, and
// the answers of the aggregations in it.
type bucket struct {
	values  []string
	count   uint64
	answers map[string]any
	// raw are the metrics' values, by which terms may be ordered.
	raw map[string][]string
}

func (b *bucket) id() string { return groupID(b.values) }

func groupID(values []string) string { return strings.Join(values, "\x00") }

// runner answers the aggregations of one search. Each level of nesting is one query of
// the store, whatever the number of buckets above it.
type runner struct {
	h     *Handler
	ctx   context.Context
	s     *searchRequest
	kinds map[string]string
	total int
}

func (h *Handler) aggregate(ctx context.Context, s *searchRequest) (map[string]any, error) {
	r := &runner{h: h, ctx: ctx, s: s}
	if anyTerms(s.aggs) {
		var err error
		if r.kinds, err = h.sample(ctx, s.scope); err != nil {
			return nil, err
		}
	}
	filter := and(s.filter, s.query)
	buckets, err := r.metrics(filter, nil, s.aggs)
	if err != nil {
		return nil, err
	}
	root := buckets[""]
	if root == nil {
		root = &bucket{answers: r.empty(s.aggs)}
		buckets[""] = root
	}
	err = r.nested(filter, nil, s.aggs, buckets)
	return root.answers, err
}

func anyTerms(aggs []agg) bool {
	return slices.ContainsFunc(aggs, func(a agg) bool {
		return a.kind == "terms" && a.key.field.kind != kindKeyword || anyTerms(a.kids)
	})
}

// metrics counts the rows of each group that path makes, with the metrics among aggs.
func (r *runner) metrics(filter expr, path []*groupKey, aggs []agg) (map[string]*bucket, error) {
	by := make([]string, len(path))
	text := filter.String()
	for i, k := range path {
		by[i] = k.by
		if k.prepare != "" {
			text += " | " + k.prepare
		}
	}
	text += " | stats "
	if len(by) > 0 {
		text += "by (" + strings.Join(by, ", ") + ") "
	}
	text += "count() __n"
	n := 0
	for _, a := range aggs {
		for _, f := range a.stats {
			text += fmt.Sprintf(", %s __m%d", f, n)
			n++
		}
	}
	rows, err := r.h.table(r.ctx, r.s.scope, text+" | limit "+itoa(maxBuckets+1))
	if err != nil {
		return nil, err
	}
	if r.total += len(rows); r.total > maxBuckets {
		return nil, refuse(400, "too_many_buckets_exception", "Trying to create too many buckets. Must be less than or equal to: [%d]", maxBuckets)
	}
	buckets := map[string]*bucket{}
	for _, row := range rows {
		b := &bucket{count: parseUint(row["__n"]), answers: map[string]any{}, raw: map[string][]string{}}
		for _, k := range path {
			v := row[cmp.Or(k.column, k.field.name)]
			if v == "" && k.missing != "" {
				v = k.missing
			}
			b.values = append(b.values, v)
		}
		n := 0
		for _, a := range aggs {
			if a.stats == nil {
				continue
			}
			var values []string
			for range a.stats {
				values = append(values, row[fmt.Sprintf("__m%d", n)])
				n++
			}
			b.raw[a.name] = values
			b.answers[r.typed(a)] = a.shape(values)
		}
		buckets[b.id()] = b
	}
	return buckets, nil
}

// nested answers the aggregations among aggs that have buckets, in each of the groups.
func (r *runner) nested(filter expr, path []*groupKey, aggs []agg, groups map[string]*bucket) error {
	for _, a := range aggs {
		var err error
		switch {
		case a.key != nil:
			err = r.grouped(filter, path, a, groups)
		case a.filters != nil:
			err = r.filtered(filter, path, a, groups)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) filtered(filter expr, path []*groupKey, a agg, groups map[string]*bucket) error {
	all := map[string][]*bucket{}
	for _, f := range a.filters {
		within := and(filter, f.filter)
		found, err := r.metrics(within, path, a.kids)
		if err != nil {
			return err
		}
		kept := map[string]*bucket{}
		for id, g := range groups {
			b := found[id]
			if b == nil {
				b = &bucket{values: g.values, answers: r.empty(a.kids)}
			} else {
				kept[id] = b
			}
			all[id] = append(all[id], b)
		}
		if err := r.nested(within, path, a.kids, kept); err != nil {
			return err
		}
	}
	for id, g := range groups {
		g.answers[r.typed(a)] = a.filterAnswer(all[id])
	}
	return nil
}

func (r *runner) grouped(filter expr, path []*groupKey, a agg, groups map[string]*bucket) error {
	if slices.ContainsFunc(path, func(k *groupKey) bool { return k.field.name == a.key.field.name }) {
		return unsupported("aggregation [%s]: buckets of field [%s] inside of buckets of the same field", a.name, shown(a.key.field.name))
	}
	if err := r.onlyDates(filter, a); err != nil {
		return err
	}
	inner := append(slices.Clone(path), a.key)
	found, err := r.metrics(filter, inner, a.kids)
	if err != nil {
		return err
	}
	byParent := map[string][]*bucket{}
	for _, b := range found {
		parent := groupID(b.values[:len(path)])
		if groups[parent] != nil && b.values[len(path)] != "" {
			byParent[parent] = append(byParent[parent], b)
		}
	}
	kept, others := map[string]*bucket{}, map[string]uint64{}
	for parent, list := range byParent {
		list, others[parent] = a.key.choose(list)
		byParent[parent] = list
		for _, b := range list {
			kept[b.id()] = b
		}
	}
	if err := r.nested(and(filter, a.key.among(kept, len(path))), inner, a.kids, kept); err != nil {
		return err
	}
	for parent, g := range groups {
		if g.answers[r.typed(a)], err = r.groupAnswer(a, byParent[parent], others[parent]); err != nil {
			return err
		}
	}
	return nil
}

// onlyDates refuses a histogram of times over a field that has something else.
func (r *runner) onlyDates(filter expr, a agg) error {
	k := a.key
	if k.prepare == "" {
		return nil
	}
	name := logs.Quote(k.field.name)
	other := and(filter, leaf(name+":*"), not(leaf(name+":~"+logs.Quote(isoDate))))
	rows, err := r.h.table(r.ctx, r.s.scope, other.String()+" | limit 1")
	if err != nil || len(rows) == 0 {
		return err
	}
	return unsupported("[date_histogram] on field [%s] with the value [%.60s]; known: dates as 2006-01-02T15:04:05Z", k.field.name, rows[0][k.field.name])
}

// among narrows a query to the terms that are shown, where those are few.
func (k *groupKey) among(kept map[string]*bucket, at int) expr {
	if k.histogram || k.missing != "" || len(kept) == 0 {
		return everything
	}
	values := map[string]bool{}
	for _, b := range kept {
		values[logs.Quote(b.values[at])] = true
	}
	if len(values) > 500 {
		return everything
	}
	return leaf(logs.Quote(k.field.name) + ":in(" + strings.Join(slices.Sorted(maps.Keys(values)), ",") + ")")
}

// empty are the answers of aggregations in a bucket without rows.
func (r *runner) empty(aggs []agg) map[string]any {
	answers := map[string]any{}
	for _, a := range aggs {
		switch {
		case a.stats != nil:
			answers[r.typed(a)] = a.shape(make([]string, len(a.stats)))
		case a.key != nil:
			answers[r.typed(a)] = map[string]any{"buckets": []any{}}
		default:
			var list []*bucket
			for range a.filters {
				list = append(list, &bucket{answers: r.empty(a.kids)})
			}
			answers[r.typed(a)] = a.filterAnswer(list)
		}
	}
	return answers
}

// typed is the name of an answer, with its kind before it where the client asks so.
func (r *runner) typed(a agg) string {
	if !r.s.typed {
		return a.name
	}
	kind := a.kind
	switch kind {
	case "terms":
		switch r.kindOf(a.key.field) {
		case kindLong, kindBoolean:
			kind = "lterms"
		case kindDouble:
			kind = "dterms"
		default:
			kind = "sterms"
		}
	case "percentiles":
		kind = "tdigest_percentiles"
	}
	return kind + "#" + a.name
}

func (r *runner) kindOf(f field) string {
	if f.kind == kindKeyword || f.kind == kindDate {
		return f.kind
	}
	if kind := r.kinds[shown(f.name)]; kind != "" {
		return kind
	}
	return f.kind
}
