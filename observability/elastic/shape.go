package elastic

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// figure is a number of the store as an answer has it: null where there is none, and
// milliseconds of a time.
func figure(f field, v string) any {
	if n, err := strconv.ParseFloat(v, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
		return n
	}
	if t, err := time.Parse(time.RFC3339Nano, v); err == nil && f.kind == kindDate {
		return float64(t.UnixMilli())
	}
	return nil
}

func metric(kind string, f field, v string) any {
	switch kind {
	case "cardinality", "value_count":
		return map[string]any{"value": parseUint(v)}
	}
	n := figure(f, v)
	if n == nil && kind == "sum" {
		n = 0
	}
	out := map[string]any{"value": n}
	if ms, ok := n.(float64); ok && f.kind == kindDate {
		out["value_as_string"] = time.UnixMilli(int64(ms)).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return out
}

// filterAnswer shows the buckets of filters and ranges.
func (a agg) filterAnswer(list []*bucket) any {
	shown := make([]map[string]any, len(list))
	for i, b := range list {
		shown[i] = maps.Clone(b.answers)
		if shown[i] == nil {
			shown[i] = map[string]any{}
		}
		shown[i]["doc_count"] = b.count
	}
	switch {
	case a.kind == "filter" || a.kind == "missing":
		return shown[0]
	case a.kind == "range" || a.kind == "date_range":
		for i, f := range a.filters {
			for side, v := range map[string]any{"from": f.from, "to": f.to} {
				if n, ok := number(v); ok {
					shown[i][side] = n
				} else if s, ok := text(v); ok {
					shown[i][side+"_as_string"] = s
				}
			}
			if !a.keyed {
				shown[i]["key"] = f.name
			}
		}
	}
	if !a.keyed {
		return map[string]any{"buckets": shown}
	}
	named := map[string]any{}
	for i, f := range a.filters {
		named[f.name] = shown[i]
	}
	return map[string]any{"buckets": named}
}

// choose puts the groups of one parent in order and leaves those that are shown; others
// counts the rows of the rest.
func (k *groupKey) choose(list []*bucket) (shown []*bucket, others uint64) {
	last := func(b *bucket) string { return b.values[len(b.values)-1] }
	if k.histogram {
		slices.SortFunc(list, func(a, b *bucket) int { return natural(last(a), last(b)) })
		return slices.DeleteFunc(list, func(b *bucket) bool { return b.count < uint64(max(k.minCount, 0)) }), 0
	}
	list = slices.DeleteFunc(list, func(b *bucket) bool { return b.count < uint64(k.minCount) })
	slices.SortFunc(list, func(a, b *bucket) int {
		for _, o := range k.orders {
			c := 0
			switch o.by {
			case "_count":
				c = cmp.Compare(a.count, b.count)
			case "_key":
				c = natural(last(a), last(b))
			default:
				name, _, _ := strings.Cut(o.by, ".")
				c = natural(first(a.raw[name]), first(b.raw[name]))
			}
			if o.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return natural(last(a), last(b))
	})
	for _, b := range list[min(k.size, len(list)):] {
		others += b.count
	}
	return list[:min(k.size, len(list))], others
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// natural compares numbers as numbers and the rest as texts.
func natural(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a, b)
}

func (r *runner) groupAnswer(a agg, list []*bucket, others uint64) (any, error) {
	out := make([]any, 0, len(list))
	add := func(key map[string]any, b *bucket) {
		maps.Copy(key, b.answers)
		key["doc_count"] = b.count
		out = append(out, key)
	}
	k := a.key
	if !k.histogram {
		kind := r.kindOf(k.field)
		for _, b := range list {
			add(termKey(kind, b.values[len(b.values)-1]), b)
		}
		return map[string]any{"doc_count_error_upper_bound": 0, "sum_other_doc_count": others, "buckets": out}, nil
	}
	if k.interval > 0 {
		return r.numbers(a, list)
	}
	times := make([]time.Time, len(list))
	for i, b := range list {
		t, err := time.Parse(time.RFC3339Nano, b.values[len(b.values)-1])
		if err != nil {
			return nil, fmt.Errorf("bucket of time: %w", err)
		}
		times[i] = t
	}
	if k.minCount > 0 {
		for i, b := range list {
			add(k.timeKey(times[i]), b)
		}
		return map[string]any{"buckets": out}, nil
	}
	from, to := k.span(times)
	i := 0
	for t := from; !from.IsZero() && !t.After(to); t = k.next(t) {
		if len(out) > maxBuckets {
			return nil, refuse(400, "too_many_buckets_exception", "Trying to create too many buckets. Must be less than or equal to: [%d]", maxBuckets)
		}
		for ; i < len(list) && times[i].Before(t); i++ {
			add(k.timeKey(times[i]), list[i])
		}
		if i < len(list) && times[i].Equal(t) {
			add(k.timeKey(t), list[i])
			i++
			continue
		}
		add(k.timeKey(t), &bucket{answers: r.empty(a.kids)})
	}
	return map[string]any{"buckets": out}, nil
}

// span is the first and the last bucket to show: those with rows, and those of the
// bounds that were asked for.
func (k *groupKey) span(times []time.Time) (from, to time.Time) {
	if len(times) > 0 {
		from, to = times[0], times[len(times)-1]
	}
	if k.bounds != nil {
		if t := k.floor(k.bounds[0]); from.IsZero() || t.Before(from) {
			from = t
		}
		if t := k.floor(k.bounds[1]); t.After(to) {
			to = t
		}
	}
	return from, to
}

func (k *groupKey) timeKey(t time.Time) map[string]any {
	s := ""
	switch k.format {
	case "epoch_millis":
		s = strconv.FormatInt(t.UnixMilli(), 10)
	case "epoch_second":
		s = strconv.FormatInt(t.Unix(), 10)
	default:
		s = t.In(k.zone).Format(k.format)
	}
	return map[string]any{"key": t.UnixMilli(), "key_as_string": s}
}

func termKey(kind, v string) map[string]any {
	switch kind {
	case kindLong, kindDouble:
		if json.Valid([]byte(v)) {
			if _, err := strconv.ParseFloat(v, 64); err == nil {
				return map[string]any{"key": json.Number(v)}
			}
		}
	case kindBoolean:
		return map[string]any{"key": map[string]int{"true": 1}[v], "key_as_string": v}
	}
	return map[string]any{"key": v}
}

func (r *runner) numbers(a agg, list []*bucket) (any, error) {
	out := make([]any, 0, len(list))
	var last float64
	for _, b := range list {
		n, err := strconv.ParseFloat(b.values[len(b.values)-1], 64)
		if err != nil {
			continue
		}
		for g := last + a.key.interval; len(out) > 0 && a.key.minCount == 0 && g < n-a.key.interval/2; g += a.key.interval {
			if len(out) > maxBuckets {
				return nil, refuse(400, "too_many_buckets_exception", "Trying to create too many buckets. Must be less than or equal to: [%d]", maxBuckets)
			}
			empty := r.empty(a.kids)
			empty["key"], empty["doc_count"] = g, 0
			out = append(out, empty)
		}
		shown := maps.Clone(b.answers)
		shown["key"], shown["doc_count"] = n, b.count
		out, last = append(out, shown), n
	}
	return map[string]any{"buckets": out}, nil
}
