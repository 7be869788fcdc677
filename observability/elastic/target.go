package elastic

import (
	"context"
	"maps"
	"slices"
	"strings"

	"slipway.dev/observability/logs"
)

// scope is the rows that a request is about: those of the indices it names, in the
// namespaces its caller may read.
type scope struct {
	access Access
	filter expr
}

func (s scope) selection(text string) logs.Selection {
	return logs.Selection{Namespaces: s.access.Read, Every: s.access.Every, Text: text}
}

// indexFilter turns names and patterns of indices into a filter; "", _all and * are all.
func indexFilter(names string) (expr, error) {
	if len(names) > 4096 {
		return nothing, illegal("names of indices are %d bytes long, at most 4096", len(names))
	}
	var some, none []expr
	for _, name := range strings.Split(names, ",") {
		name = strings.TrimSpace(name)
		rest, minus := strings.CutPrefix(name, "-")
		if !minus {
			rest = name
		}
		e := oneIndex(rest)
		if strings.HasPrefix(rest, "<") {
			return nothing, unsupported("date math in the name of an index [%.100s]", rest)
		}
		if minus {
			none = append(none, not(e))
		} else {
			some = append(some, e)
		}
	}
	if len(some) == 0 {
		some = []expr{everything}
	}
	return and(append([]expr{or(some...)}, none...)...), nil
}

func oneIndex(name string) expr {
	prefix, wild := strings.CutSuffix(name, "*")
	switch {
	case name == "" || name == "_all" || name == "*":
		return everything
	case strings.Contains(prefix, "*"):
		return leaf(logs.IndexField + ":~" + logs.Quote("^"+wildcard(name, false)+"$"))
	case wild:
		return leaf(logs.IndexField + ":=" + logs.Quote(prefix) + "*")
	}
	return leaf(logs.IndexField + ":=" + logs.Quote(name))
}

// scope reads the request's indices. One that is named and that nobody wrote or made is
// an error, unless the request says otherwise.
func (h *Handler) scope(ctx context.Context, a Access, names string, lenient bool) (scope, error) {
	f, err := indexFilter(names)
	if err != nil {
		return scope{}, err
	}
	s := scope{access: a, filter: f}
	if lenient || names == "" {
		return s, nil
	}
	var plain []string
	for _, name := range strings.Split(names, ",") {
		if name != "" && name != "_all" && !strings.Contains(name, "*") && !strings.HasPrefix(name, "-") {
			plain = append(plain, name)
		}
	}
	if len(plain) == 0 {
		return s, nil
	}
	known, err := h.indices(ctx, s)
	if err != nil {
		return s, err
	}
	for _, name := range plain {
		if _, ok := known[name]; !ok {
			return s, missingIndex(name)
		}
	}
	return s, nil
}

// indices are the names that the scope has, with how many rows each.
func (h *Handler) indices(ctx context.Context, s scope) (map[string]uint64, error) {
	found := map[string]uint64{}
	for _, o := range h.objects.list(s.access, kindStream) {
		found[o.Name] = 0
	}
	for _, o := range h.objects.list(s.access, kindIndex) {
		found[o.Name] = 0
	}
	for _, name := range h.names.written(s.access) {
		found[name] = 0
	}
	rows, err := h.table(ctx, s, and(s.filter).String()+" | stats by ("+logs.IndexField+") count() rows")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if name := row[logs.IndexField]; name != "" {
			found[name] = parseUint(row["rows"])
		}
	}
	return found, nil
}

// matching are the names that an expression of names covers, in order.
func matching(names string, known map[string]uint64) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if covers(names, name) {
			all = append(all, name)
		}
	}
	return all
}

// covers says whether an expression such as logs-*,-logs-b covers a name.
func covers(names, name string) bool {
	yes, only := false, true
	for _, p := range strings.Split(names, ",") {
		rest, minus := strings.CutPrefix(p, "-")
		if minus && glob(rest, name) {
			return false
		}
		if !minus {
			only = false
			yes = yes || p == "" || p == "_all" || glob(p, name)
		}
	}
	return yes || only
}

// glob knows * only.
func glob(pattern, s string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	for {
		part, more, wild := strings.Cut(rest, "*")
		if !wild {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], more
	}
}

// maxRows is how many rows a query of the store may answer with.
const maxRows = 100_000

// table runs a query and keeps what it answers.
func (h *Handler) table(ctx context.Context, s scope, text string) ([]map[string]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var rows []map[string]string
	over := false
	err := h.Store.Select(ctx, s.selection(text), func(fields []logs.Field) {
		if len(rows) >= maxRows {
			over = true
			cancel()
			return
		}
		row := make(map[string]string, len(fields))
		for _, f := range fields {
			row[strings.Clone(f.Name)] = strings.Clone(f.Value)
		}
		rows = append(rows, row)
	})
	if over {
		return nil, refuse(400, "too_many_buckets_exception", "more than %d buckets or rows; narrow the query", maxRows)
	}
	return rows, err
}
