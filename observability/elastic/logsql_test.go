package elastic

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"slipway.dev/observability/logs"
)

// TestFromLogsQL has each filter find as a query string what it finds as it is; the case
// of words is nothing to Elasticsearch.
func TestFromLogsQL(t *testing.T) {
	s := serve(t)
	s.shop(t)
	for _, q := range []string{
		`*`, `Cart`, `"Request 3"`, `Request 3`, `level:="error"`, `level:error`, `user:="user-1" level:="error"`, `level:=error or user:=user-0`,
		`level:=error and !user:=user-0`, `not level:=error`, `-level:=error`, `(level:=error or user:="user-0") Cart`, `"http.path":="/cart/1"`,
		`user:*`, `nothing:*`, `level:err*`, `fail*`, `!(level:=error or level:=info)`, `_msg:Cart`, `level:=error user:="user-1" (Cart)`,
	} {
		var want []string
		err := s.store.Select(t.Context(), logs.Selection{Namespaces: []string{"default"}, Text: q}, func(fields []logs.Field) {
			for _, f := range fields {
				if f.Name == idName {
					want = append(want, strings.Clone(f.Value))
				}
			}
		})
		if err != nil {
			t.Fatal(q, err)
		}
		text, err := FromLogsQL(q)
		if err != nil {
			t.Error(err)
			continue
		}
		code, v := s.do(t, "POST", "/logs-*/_search", fmt.Sprintf(`{"size":100,"query":{"query_string":{"query":%q}}}`, text))
		got := strings.Fields(hits(v))
		sort.Strings(got)
		sort.Strings(want)
		if code != 200 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s as %s\n got %v %v\nwant %v", q, text, got, v["error"], want)
		}
	}
	for _, q := range []string{`_time:5m`, `* | stats count()`, `level:~"err.*"`, `level:in(a,b)`, `took:>5`, `(a`, `a)`, `a:`, `"open`, `{namespace="x"}`, `a or`, `_stream:x`, strings.Repeat("(", 100), strings.Repeat("!", 100) + "a"} {
		if text, err := FromLogsQL(q); err == nil {
			t.Errorf("%s: %s", q, text)
		}
	}
}

// FuzzFromLogsQL: what comes of it is always a query string.
func FuzzFromLogsQL(f *testing.F) {
	for _, s := range []string{`a b:="c" or !(d e*)`, `"x\"y":="z\\" -*`, `a/b@c:=d`, "ünï:ö", `((()))`, `AND:or`, `NOT not`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := FromLogsQL(s)
		if err != nil || text == "" {
			return
		}
		if _, err := Lucene(text); err != nil {
			t.Errorf("%q became %q: %v", s, text, err)
		}
	})
}
