package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway.dev/observability/logs"
)

// maxWindow is how far from and size may reach together, as index.max_result_window.
const maxWindow = 10_000

// searchRequest is a search that has been read.
type searchRequest struct {
	scope
	query      expr
	from, size int
	sort       []sortKey
	after      []any
	source     sourceFilter
	fields     []string
	// count says up to how many hits are counted: -1 for all, 0 for none.
	count int
	aggs  []agg
	// typed has the kind of an aggregation before its name.
	typed, totalAsInt bool
}

// ignored change nothing where there is no score, no shard and no cursor. Hits come
// without highlights: the console and clients mark what they look for themselves.
var ignored = []string{"timeout", "track_scores", "version", "seq_no_primary_term", "explain", "profile", "highlight", "stats", "indices_boost", "terminate_after", "_name", "include_unmapped"}

func (h *Handler) search(w http.ResponseWriter, r *request) error {
	v, err := r.body(w)
	if err != nil {
		return err
	}
	for _, name := range []string{"scroll"} {
		if r.params.Has(name) {
			return unsupported("[%s]; use search_after", name)
		}
	}
	if len(r.rest) > 0 {
		return unsupported("API [_search/%s]", r.rest[0])
	}
	answer, err := h.searchOne(r.Context(), r.access, r.index, v, r.params.Get)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// msearch runs searches that come as lines: a header, then a body.
func (h *Handler) msearch(w http.ResponseWriter, r *request) error {
	b, err := r.bytes(w)
	if err != nil {
		return err
	}
	started := time.Now()
	lines := bytes.Split(bytes.TrimRight(b, "\r\n"), []byte("\n"))
	if len(lines)%2 != 0 || len(lines) > 200 {
		return illegal("a multi search is up to 100 pairs of lines, found %d lines", len(lines))
	}
	responses := make([]any, 0, len(lines)/2)
	for i := 0; i < len(lines); i += 2 {
		answer, err := h.searchLines(r, lines[i], lines[i+1])
		if err != nil {
			if r.Context().Err() != nil {
				return err
			}
			e := asError(err)
			responses = append(responses, map[string]any{"error": e.body(), "status": e.Status})
			continue
		}
		answer["status"] = http.StatusOK
		responses = append(responses, answer)
	}
	writeJSON(w, http.StatusOK, map[string]any{"took": time.Since(started).Milliseconds(), "responses": responses})
	return nil
}

func (h *Handler) searchLines(r *request, head, body []byte) (map[string]any, error) {
	hv, err := decode(head)
	if err != nil {
		return nil, err
	}
	bv, err := decode(body)
	if err != nil {
		return nil, err
	}
	o := asObject("header", hv)
	o.ignore("search_type", "preference", "routing", "allow_no_indices", "expand_wildcards", "request_cache", "max_concurrent_shard_requests",
		"allow_partial_search_results", "ccs_minimize_roundtrips", "ignore_throttled")
	names := strings.Join(append(o.strings("index"), o.strings("indices")...), ",")
	if names == "" {
		names = r.index
	}
	lenient := strconv.FormatBool(o.boolean("ignore_unavailable", false))
	if err := o.done(); err != nil {
		return nil, err
	}
	return h.searchOne(r.Context(), r.access, names, bv, func(key string) string {
		switch key {
		case "ignore_unavailable":
			return lenient
		case "typed_keys", "rest_total_hits_as_int":
			return r.params.Get(key)
		}
		return ""
	})
}

// readSearch reads body and parameters, those before these.
func (h *Handler) readSearch(ctx context.Context, a Access, names string, v any, param func(string) string) (*searchRequest, error) {
	sc, err := h.scope(ctx, a, names, param("ignore_unavailable") == "true")
	if err != nil {
		return nil, err
	}
	s := &searchRequest{scope: sc, typed: param("typed_keys") == "true", totalAsInt: param("rest_total_hits_as_int") == "true"}
	mapped := h.objects.mapped(a, names)
	c := &compiler{now: time.Now(), kinds: func(name string) string { return mapped[name] }}
	o := asObject("search", v)
	for _, key := range []string{"size", "from", "track_total_hits"} {
		if p := param(key); p != "" && !o.has(key) {
			if o.m == nil {
				o.m = map[string]any{}
			}
			o.m[key] = p
		}
	}
	o.ignore(ignored...)
	s.size, s.from = o.num("size", 10), o.num("from", 0)
	if s.size < 0 || s.from < 0 || s.from+s.size > maxWindow {
		return nil, illegal("Result window is too large, from + size must be less than or equal to: [%d] but was [%d]; use search_after", maxWindow, s.from+s.size)
	}
	if s.query, err = c.query(o.take("query")); err != nil {
		return nil, err
	}
	if q := param("q"); q != "" {
		e, err := c.lucene(q, nil, param("default_operator") == "AND", time.UTC)
		if err != nil {
			return nil, err
		}
		s.query = and(s.query, e)
	}
	if p := o.take("post_filter"); p != nil {
		return nil, unsupported("[search] post_filter")
	}
	s.count = trackTotal(o)
	if s.sort, err = readSort(c, o.take("sort"), param("sort")); err != nil {
		return nil, err
	}
	if s.after = o.list("search_after"); len(s.after) > 0 && (len(s.after) != len(s.sort) || s.from > 0) {
		return nil, illegal("search_after has %d value(s) but sort has %d, and from must be 0", len(s.after), len(s.sort))
	}
	if s.source, err = readSource(o.take("_source"), param); err != nil {
		return nil, err
	}
	for _, key := range []string{"fields", "docvalue_fields", "stored_fields"} {
		for _, f := range o.list(key) {
			name, _ := f.(string)
			if m, ok := f.(map[string]any); ok {
				name, _ = m["field"].(string)
			}
			if name != "" && key != "stored_fields" {
				s.fields = append(s.fields, name)
			}
		}
	}
	for _, key := range []string{"script_fields", "runtime_mappings", "ext"} {
		if m, ok := o.m[key].(map[string]any); ok && len(m) == 0 {
			o.ignore(key)
		}
	}
	aggs := o.take("aggs")
	if other := o.take("aggregations"); aggs == nil {
		aggs = other
	}
	if s.aggs, err = readAggs(c, aggs, 0); err != nil {
		return nil, err
	}
	return s, o.done()
}

func trackTotal(o *object) int {
	switch v := o.take("track_total_hits").(type) {
	case nil:
		return maxWindow
	case bool:
		if v {
			return -1
		}
		return 0
	default:
		if s, _ := v.(string); s == "true" || s == "false" {
			return map[string]int{"true": -1, "false": 0}[s]
		}
		n, ok := number(v)
		if !ok || n < 0 {
			o.fail(parsing("[search] track_total_hits: want true, false or a number"))
		}
		return int(n)
	}
}

func (h *Handler) searchOne(ctx context.Context, a Access, names string, v any, param func(string) string) (map[string]any, error) {
	started := time.Now()
	s, err := h.readSearch(ctx, a, names, v, param)
	if err != nil {
		return nil, err
	}
	hits := []any{}
	counted := 0
	if s.size > 0 {
		rows, err := h.page(ctx, s)
		if err != nil {
			return nil, err
		}
		counted = len(rows)
		for _, row := range rows[min(s.from, len(rows)):] {
			hits = append(hits, s.hit(row))
		}
	}
	total := map[string]any{"max_score": nil, "hits": hits}
	if s.count != 0 {
		n, relation := counted, "eq"
		if s.size == 0 || counted == s.from+s.size || len(s.after) > 0 {
			if n, err = h.total(ctx, s.scope, s.query); err != nil {
				return nil, err
			}
		}
		if s.count > 0 && n > s.count {
			n, relation = s.count, "gte"
		}
		total["total"] = map[string]any{"value": n, "relation": relation}
		if s.totalAsInt {
			total["total"] = n
		}
	}
	answer := map[string]any{
		"timed_out": false, "hits": total, "_shards": map[string]any{"total": 1, "successful": 1, "skipped": 0, "failed": 0},
	}
	if len(s.aggs) > 0 {
		aggs, err := h.aggregate(ctx, s)
		if err != nil {
			return nil, err
		}
		answer["aggregations"] = aggs
	}
	answer["took"] = time.Since(started).Milliseconds()
	return answer, nil
}

func (h *Handler) total(ctx context.Context, s scope, query expr) (int, error) {
	rows, err := h.table(ctx, s, and(s.filter, query).String()+" | stats count() n")
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return int(parseUint(rows[0]["n"])), nil
}

func (h *Handler) countDocs(w http.ResponseWriter, r *request) error {
	v, err := r.body(w)
	if err != nil {
		return err
	}
	o := asObject("count", v)
	body := map[string]any{"size": json.Number("0"), "query": o.take("query")}
	if err := o.done(); err != nil {
		return err
	}
	s, err := h.readSearch(r.Context(), r.access, r.index, body, func(key string) string {
		if key == "q" || key == "ignore_unavailable" || key == "default_operator" {
			return r.params.Get(key)
		}
		return ""
	})
	if err != nil {
		return err
	}
	n, err := h.total(r.Context(), s.scope, s.query)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"count": n, "_shards": map[string]any{"total": 1, "successful": 1, "skipped": 0, "failed": 0}})
	return nil
}

// hit shows a row as a document.
func (s *searchRequest) hit(row map[string]string) map[string]any {
	hit := map[string]any{"_index": indexOf(row), "_id": idOf(row), "_score": nil}
	doc := source(row)
	if shown := s.source.apply(doc); shown != nil {
		hit["_source"] = shown
	}
	if len(s.fields) > 0 {
		fields := map[string]any{}
		for name, v := range flat(doc) {
			for _, p := range s.fields {
				if glob(p, name) || p == name+".keyword" {
					fields[name] = v
				}
			}
		}
		hit["fields"] = fields
	}
	if len(s.sort) > 0 {
		values := make([]any, len(s.sort))
		for i, k := range s.sort {
			values[i] = k.shown(row)
		}
		hit["sort"] = values
	}
	return hit
}

func indexOf(row map[string]string) string {
	if v := row[logs.IndexField]; v != "" {
		return v
	}
	return logs.PodsIndex + row["namespace"]
}

func idOf(row map[string]string) string {
	if v := row[idName]; v != "" {
		return v
	}
	return row[logs.ChunkField] + idSeparator + row[logs.NumberField]
}

// flat are a document's leaves, each as a list, as the fields of a hit are.
func flat(doc map[string]any) map[string]any {
	out := map[string]any{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		if m, ok := v.(map[string]any); ok {
			for _, k := range slices.Sorted(maps.Keys(m)) {
				walk(strings.TrimPrefix(path+"."+k, "."), m[k])
			}
			return
		}
		if v != nil {
			out[path] = []any{v}
		}
	}
	walk("", doc)
	return out
}

func parseUint(s string) uint64 { n, _ := strconv.ParseUint(s, 10, 64); return n }

func itoa(n int) string { return strconv.Itoa(n) }
