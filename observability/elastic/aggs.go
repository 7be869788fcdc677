package elastic

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"slipway.dev/observability/logs"
)

// maxBuckets is how many buckets an answer may have, as search.max_buckets.
const maxBuckets = 65_536

// agg is an aggregation that has been read. It is a metric (stats), one that groups
// (key), or a list of filters.
type agg struct {
	name string
	// kind is Elasticsearch's name of it.
	kind string
	// stats are the functions of LogsQL that a metric needs, shape makes its answer.
	stats []string
	shape func(values []string) any

	key     *groupKey
	filters []namedFilter
	keyed   bool
	kids    []agg
}

type namedFilter struct {
	name     string
	filter   expr
	from, to any // of a range
}

// groupKey is how rows are put into groups.
type groupKey struct {
	field field
	// by is what stats by (…) is given.
	by string
	// column is what it is called in the answer, if not as the field, and prepare the pipes that make it.
	column, prepare string
	// Of histograms: how to go from bucket to bucket, and between which they are shown.
	histogram bool
	next      func(time.Time) time.Time
	floor     func(time.Time) time.Time
	interval  float64
	zone      *time.Location
	format    string
	bounds    *[2]time.Time
	minCount  int
	// Of terms: how many, in which order.
	size    int
	orders  []termOrder
	missing string
}

type termOrder struct {
	by   string // _count, _key, or a metric's name
	desc bool
}

func readAggs(c *compiler, v any, depth int) ([]agg, error) {
	if depth > 8 {
		return nil, illegal("aggregations are nested deeper than 8 levels")
	}
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, parsing("[aggs]: want an object")
	}
	if len(m) > 100 {
		return nil, illegal("%d aggregations side by side, at most 100", len(m))
	}
	var all []agg
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if err := c.count(1); err != nil {
			return nil, err
		}
		a, err := readAgg(c, name, m[name], depth)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func readAgg(c *compiler, name string, v any, depth int) (agg, error) {
	a := agg{name: name}
	o := asObject(name, v)
	o.ignore("meta")
	kids := o.take("aggs")
	if other := o.take("aggregations"); kids == nil {
		kids = other
	}
	var err error
	if a.kids, err = readAggs(c, kids, depth+1); err != nil {
		return a, err
	}
	kind, body := o.only()
	if err := o.done(); err != nil {
		return a, err
	}
	a.kind = kind
	read, ok := aggregations[kind]
	if !ok {
		return a, unsupported("aggregation [%.60s] of type [%.60s]; known: %s", name, kind, strings.Join(slices.Sorted(maps.Keys(aggregations)), ", "))
	}
	in := asObject(kind, body)
	if in.err != nil {
		return a, in.err
	}
	if err := read(c, &a, in); err != nil {
		return a, err
	}
	if a.stats != nil && len(a.kids) > 0 {
		return a, parsing("Aggregator [%s] of type [%s] cannot accept sub-aggregations", name, kind)
	}
	return a, in.done()
}

var aggregations map[string]func(*compiler, *agg, *object) error

func init() {
	aggregations = map[string]func(*compiler, *agg, *object) error{
		"terms": readTerms, "date_histogram": readDateHistogram, "histogram": readHistogram,
		"filters": readFilters, "filter": readFilter, "range": readRange, "date_range": readRange, "missing": readMissing,
		"percentiles": readPercentiles, "stats": readStats,
	}
	for kind, f := range map[string]string{"min": "min", "max": "max", "avg": "avg", "sum": "sum", "cardinality": "count_uniq", "value_count": "count"} {
		aggregations[kind] = func(c *compiler, a *agg, o *object) error { return readMetric(c, a, o, f) }
	}
}

// fieldArg reads the field of an aggregation.
func fieldArg(c *compiler, o *object) (field, error) {
	name := o.str("field", "")
	if name == "" {
		return field{}, illegal("Required one of fields [field, script], but none were specified. [%s] scripts are not supported", o.where)
	}
	f := c.fieldOf(name)
	if f.any {
		return f, illegal("[%s] %s: want one field", o.where, name)
	}
	return f, nil
}

func readMetric(c *compiler, a *agg, o *object, function string) error {
	f, err := fieldArg(c, o)
	if err != nil {
		return err
	}
	o.ignore("precision_threshold", "rehash", "format", "execution_hint")
	a.stats = []string{fmt.Sprintf("%s(%s)", function, logs.Quote(f.name))}
	a.shape = func(v []string) any { return metric(a.kind, f, v[0]) }
	return nil
}

func readStats(c *compiler, a *agg, o *object) error {
	f, err := fieldArg(c, o)
	if err != nil {
		return err
	}
	for _, fn := range []string{"count", "min", "max", "avg", "sum"} {
		a.stats = append(a.stats, fmt.Sprintf("%s(%s)", fn, logs.Quote(f.name)))
	}
	a.shape = func(v []string) any {
		out := map[string]any{"count": parseUint(v[0])}
		for i, name := range []string{"min", "max", "avg", "sum"} {
			out[name] = figure(f, v[i+1])
		}
		return out
	}
	return nil
}

func readPercentiles(c *compiler, a *agg, o *object) error {
	f, err := fieldArg(c, o)
	if err != nil {
		return err
	}
	o.ignore("tdigest", "hdr")
	keyed := o.boolean("keyed", true)
	var percents []float64
	for _, v := range o.list("percents") {
		p, ok := number(v)
		if !ok || p < 0 || p > 100 || len(percents) >= 100 {
			return parsing("[percentiles] percents: want up to 100 numbers between 0 and 100")
		}
		percents = append(percents, p)
	}
	if len(percents) == 0 {
		percents = []float64{1, 5, 25, 50, 75, 95, 99}
	}
	for _, p := range percents {
		a.stats = append(a.stats, fmt.Sprintf("quantile(%g, %s)", p/100, logs.Quote(f.name)))
	}
	a.shape = func(v []string) any {
		if !keyed {
			values := make([]any, len(v))
			for i, p := range percents {
				values[i] = map[string]any{"key": p, "value": figure(f, v[i])}
			}
			return map[string]any{"values": values}
		}
		values := map[string]any{}
		for i, p := range percents {
			key := fmt.Sprintf("%g", p)
			if p == math.Trunc(p) {
				key = fmt.Sprintf("%.1f", p)
			}
			values[key] = figure(f, v[i])
		}
		return map[string]any{"values": values}
	}
	return nil
}

func readTerms(c *compiler, a *agg, o *object) error {
	f, err := fieldArg(c, o)
	if err != nil {
		return err
	}
	o.ignore("shard_size", "execution_hint", "collect_mode", "show_term_doc_count_error", "shard_min_doc_count", "value_type", "format")
	k := &groupKey{field: f, by: logs.Quote(f.name), size: o.num("size", 10), minCount: o.num("min_doc_count", 1)}
	if v := o.take("missing"); v != nil {
		k.missing, _ = text(v)
	}
	if k.size < 1 || k.size > maxBuckets {
		return illegal("[terms] size %d: want 1 to %d", k.size, maxBuckets)
	}
	if k.minCount < 1 {
		return unsupported("[terms] min_doc_count 0")
	}
	for _, v := range o.list("order") {
		m, ok := v.(map[string]any)
		if !ok {
			return parsing("[terms] order: want objects")
		}
		for by, dir := range m {
			if by == "_term" {
				by = "_key"
			}
			k.orders = append(k.orders, termOrder{by: by, desc: dir == "desc"})
		}
	}
	if len(k.orders) == 0 {
		k.orders = []termOrder{{by: "_count", desc: true}}
	}
	for _, order := range k.orders {
		by, _, _ := strings.Cut(order.by, ".")
		if by != "_count" && by != "_key" && !slices.ContainsFunc(a.kids, func(kid agg) bool { return kid.name == by && kid.stats != nil }) {
			return illegal("Invalid aggregator order path [%.100s]. The metric is not beside the terms", order.by)
		}
	}
	a.key = k
	return nil
}

func readFilters(c *compiler, a *agg, o *object) error {
	a.keyed = true
	o.ignore("keyed")
	switch v := o.take("filters").(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			e, err := c.query(v[name])
			if err != nil {
				return err
			}
			a.filters = append(a.filters, namedFilter{name: name, filter: e})
		}
	case []any:
		a.keyed = false
		for _, q := range v {
			e, err := c.query(q)
			if err != nil {
				return err
			}
			a.filters = append(a.filters, namedFilter{filter: e})
		}
	default:
		return parsing("[filters] want an object or an array of queries")
	}
	if len(a.filters) > 100 {
		return illegal("[filters] has %d filters, at most 100", len(a.filters))
	}
	if key := o.str("other_bucket_key", ""); key != "" || o.boolean("other_bucket", false) {
		if key == "" {
			key = "_other_"
		}
		var none []expr
		for _, f := range a.filters {
			none = append(none, not(f.filter))
		}
		a.filters = append(a.filters, namedFilter{name: key, filter: and(none...)})
	}
	return nil
}

func readFilter(c *compiler, a *agg, o *object) error {
	e, err := c.query(maps.Clone(o.m))
	o.m = nil
	a.filters = []namedFilter{{filter: e}}
	return err
}

func readMissing(c *compiler, a *agg, o *object) error {
	f, err := fieldArg(c, o)
	a.filters = []namedFilter{{filter: not(f.exists())}}
	return err
}

func readRange(c *compiler, a *agg, o *object) error {
	f, err := fieldArg(c, o)
	if err != nil {
		return err
	}
	a.keyed = o.boolean("keyed", false)
	format := o.str("format", "")
	zone, err := zoneOf(o.str("time_zone", ""))
	if err != nil {
		return err
	}
	ranges := o.list("ranges")
	if len(ranges) == 0 || len(ranges) > 100 {
		return illegal("[%s] ranges: want 1 to 100", o.where)
	}
	for _, v := range ranges {
		in := asObject("ranges", v)
		n := namedFilter{name: in.str("key", ""), from: in.take("from"), to: in.take("to")}
		if err := in.done(); err != nil {
			return err
		}
		if n.name == "" {
			side := func(v any) string {
				if s, ok := text(v); ok {
					if f, ok := number(v); ok && a.kind == "range" && f == math.Trunc(f) {
						return fmt.Sprintf("%.1f", f)
					}
					return s
				}
				return "*"
			}
			n.name = side(n.from) + "-" + side(n.to)
		}
		if n.filter, err = c.between(f, bounds{gte: n.from, lt: n.to, format: format, zone: zone}); err != nil {
			return err
		}
		a.filters = append(a.filters, n)
	}
	return nil
}
