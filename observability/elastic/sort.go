package elastic

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway.dev/observability/logs"
)

// docName orders rows by their own ids: what breaks ties.
const docName = "_doc"

type sortKey struct {
	field field
	desc  bool
	// format of a date: "" for milliseconds.
	format string
	doc    bool
}

// readSort reads the member sort, or the parameter.
func readSort(c *compiler, v any, param string) ([]sortKey, error) {
	if v == nil && param != "" {
		for _, s := range strings.Split(param, ",") {
			name, order, _ := strings.Cut(s, ":")
			if order == "" {
				order = "asc"
			}
			list, _ := v.([]any)
			v = append(list, map[string]any{name: order})
		}
	}
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	if len(list) > 10 {
		return nil, illegal("[sort] has %d keys, at most 10", len(list))
	}
	var keys []sortKey
	for _, v := range list {
		if name, ok := v.(string); ok {
			v = map[string]any{name: map[string]any{}}
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil, parsing("[sort] want names or objects")
		}
		for name, v := range m {
			k, err := readSortKey(c, name, v)
			if err != nil {
				return nil, err
			}
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func readSortKey(c *compiler, name string, v any) (sortKey, error) {
	k := sortKey{field: c.fieldOf(name), doc: name == docName || name == "_shard_doc" || name == "_score" || name == idName}
	if order, ok := v.(string); ok {
		v = map[string]any{"order": order}
	}
	o := asObject("sort", v)
	o.ignore("unmapped_type", "mode", "missing", "numeric_type")
	order := o.str("order", "asc")
	k.desc, k.format = order == "desc", o.str("format", "")
	if order != "asc" && order != "desc" {
		o.fail(illegal("[sort] order [%.20s]: want asc or desc", order))
	}
	if k.field.any {
		o.fail(illegal("[sort] %s: want one field", name))
	}
	return k, o.done()
}

// keys are what rows are ordered by: the newest first where nothing is said.
func (s *searchRequest) keys() []sortKey {
	first := sortKey{field: field{name: "_time", kind: kindDate}, desc: true}
	keys := slices.Clone(s.sort)
	if len(keys) == 0 || keys[0].doc {
		keys = append([]sortKey{first}, keys...)
	}
	if !keys[len(keys)-1].doc {
		keys = append(keys, sortKey{doc: true, desc: keys[len(keys)-1].desc})
	}
	return keys
}

// page fetches from+size rows in order, behind search_after.
func (h *Handler) page(ctx context.Context, s *searchRequest) ([]map[string]string, error) {
	keys, filter, want := s.keys(), and(s.filter, s.query), s.from+s.size
	var rows []map[string]string
	if len(s.after) > 0 {
		if s.sort[0].doc {
			return nil, illegal("search_after needs a sort that begins with a field, such as %s", timeName)
		}
		after := make([]string, len(s.after))
		for i, v := range s.after {
			var err error
			if after[i], err = s.sort[i].cursor(v); err != nil {
				return nil, err
			}
		}
		tied, err := h.table(ctx, s.scope, and(filter, keys[0].equal(after[0])).String())
		if err != nil {
			return nil, err
		}
		rows = slices.DeleteFunc(tied, func(r map[string]string) bool { return !s.behind(r, after) })
		filter = and(filter, keys[0].beyond(after[0]))
	}
	more, err := h.first(ctx, s.scope, filter, keys[0], want)
	if err != nil {
		return nil, err
	}
	rows = append(rows, more...)
	slices.SortStableFunc(rows, func(x, y map[string]string) int {
		for _, k := range keys {
			if c := k.compare(k.value(x), k.value(y)); c != 0 {
				return c
			}
		}
		return 0
	})
	return rows[:min(len(rows), want)], nil
}

// behind says whether a row comes after a cursor.
func (s *searchRequest) behind(row map[string]string, after []string) bool {
	for i, a := range after {
		if c := s.sort[i].compare(s.sort[i].value(row), a); c != 0 {
			return c > 0
		}
	}
	return false
}

// first fetches the first rows by one key, and all that share the last one's: the store
// would cut among them by chance.
func (h *Handler) first(ctx context.Context, sc scope, filter expr, k sortKey, want int) ([]map[string]string, error) {
	order := ""
	if k.desc {
		order = " desc"
	}
	rows, err := h.table(ctx, sc, filter.String()+" | sort by ("+logs.Quote(k.field.name)+order+") limit "+itoa(want+1))
	if err != nil || len(rows) <= want {
		return rows, err
	}
	edge := k.value(rows[len(rows)-1])
	tied, err := h.table(ctx, sc, and(filter, k.equal(edge)).String())
	if err != nil {
		return nil, err
	}
	same := func(r map[string]string) bool { return k.compare(k.value(r), edge) == 0 }
	rows = slices.DeleteFunc(rows, same)
	tied = slices.DeleteFunc(tied, func(r map[string]string) bool { return !same(r) })
	return append(rows, tied...), nil
}

// value is what a row is ordered by.
func (k sortKey) value(row map[string]string) string {
	if k.doc {
		return idOf(row)
	}
	return row[k.field.name]
}

func (k sortKey) compare(a, b string) int {
	c := 0
	if k.field.kind == kindDate && !k.doc {
		// As texts, times of different precision are out of order.
		x, errX := time.Parse(time.RFC3339Nano, a)
		y, errY := time.Parse(time.RFC3339Nano, b)
		if errX == nil && errY == nil {
			c = x.Compare(y)
			if k.desc {
				return -c
			}
			return c
		}
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	switch {
	case k.doc:
		c = compareIDs(a, b)
	case errX == nil && errY == nil:
		c = cmp.Compare(x, y)
	default:
		c = strings.Compare(a, b)
	}
	if k.desc {
		return -c
	}
	return c
}

// compareIDs has the rows of a chunk in their order.
func compareIDs(a, b string) int {
	ca, na, oka := strings.Cut(a, idSeparator)
	cb, nb, okb := strings.Cut(b, idSeparator)
	if oka && okb && ca == cb && len(na) != len(nb) {
		return cmp.Compare(len(na), len(nb))
	}
	return strings.Compare(a, b)
}

// shown is a row's value as the sort of a hit has it.
func (k sortKey) shown(row map[string]string) any {
	v := k.value(row)
	switch {
	case k.doc:
		return v
	case k.field.kind == kindDate && k.format == "":
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return json.Number(strconv.FormatInt(t.UnixMilli(), 10) + nanos(t))
		}
	case v == "":
		return nil
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil && json.Valid([]byte(v)) && f == f {
		return json.Number(v)
	}
	return v
}

// nanos is the part of a time that milliseconds leave out, so that a cursor is exact.
func nanos(t time.Time) string {
	n := t.Nanosecond() % 1e6
	if n == 0 {
		return ""
	}
	s := strconv.Itoa(1e6 + n)
	return "." + strings.TrimRight(s[1:], "0")
}

// cursor reads a value of search_after as rows have it.
func (k sortKey) cursor(v any) (string, error) {
	s, ok := text(v)
	if !ok && v != nil {
		return "", parsing("[search_after] want strings and numbers")
	}
	if k.field.kind != kindDate || k.doc {
		return s, nil
	}
	whole, part, _ := strings.Cut(s, ".")
	if ms, err := strconv.ParseInt(whole, 10, 64); err == nil && len(part) <= 6 && ms > -9e12 && ms < 9e12 {
		n, _ := strconv.Atoi((part + "000000")[:6])
		return timeText(time.UnixMilli(ms).Add(time.Duration(n))), nil
	}
	t, err := plainDate(s, time.UTC, false)
	return timeText(t), err
}

// timeText is a time as the store writes it.
func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func (k sortKey) filter(op, v string) expr {
	if k.field.name == "_time" {
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return nothing
		}
		return leaf("_time:" + op + t.UTC().Format("2006-01-02T15:04:05.000000000Z"))
	}
	return leaf(k.field.prefix() + op + logs.Quote(v))
}

// beyond are the rows behind a cursor by this key alone.
func (k sortKey) beyond(v string) expr {
	if k.desc {
		return k.filter("<", v)
	}
	return k.filter(">", v)
}

func (k sortKey) equal(v string) expr {
	if k.field.name == "_time" {
		return and(k.filter(">=", v), k.filter("<=", v))
	}
	if v == "" {
		return not(leaf(k.field.prefix() + "*"))
	}
	if _, err := strconv.ParseFloat(v, 64); err == nil {
		// One number is written in several ways: 7 and 7.0.
		return or(leaf(k.field.prefix()+"="+logs.Quote(v)), and(k.filter(">=", v), k.filter("<=", v)))
	}
	return leaf(k.field.prefix() + "=" + logs.Quote(v))
}
