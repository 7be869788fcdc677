package elastic

import (
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/valyala/fastjson"
)

// FuzzQuery checks that whatever a query says, it is refused or becomes a filter of
// LogsQL that can be parsed: text that broke out of its quotes would not be.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		`{"match":{"message":"a b"}}`, `{"term":{"a\"b":"c\") or ("}}`, `{"bool":{"should":[{"match_all":{}}],"must_not":{"exists":{"field":"a"}}}}`,
		`{"range":{"@timestamp":{"gte":"now-1d/d","lt":"2026-01-01||+1M"}}}`, `{"wildcard":{"a":"*\\?b"}}`, `{"regexp":{"a":"[^a]$"}}`,
		`{"query_string":{"query":"a:(b OR \"c d\") AND NOT e:[1 TO *} /x.*/ -f:>=2 _exists_:g"}}`, `{"terms":{"pod":["\n","\u0000"]}}`, `{"exists":{"field":"a*"}}`,
		`{"multi_match":{"query":"x","fields":["a*","b"],"type":"phrase_prefix"}}`, `{"ids":{"values":["a-1"]}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := decode([]byte(s))
		if err != nil {
			return
		}
		c := &compiler{now: time.Unix(1.8e9, 0)}
		e, err := c.query(v)
		if err != nil {
			return
		}
		if _, err := logstorage.ParseFilter(e.String()); err != nil {
			t.Fatalf("%s\nbecomes %s\n%v", s, e, err)
		}
	})
}

func FuzzLucene(f *testing.F) {
	for _, s := range []string{`a`, `a:b AND (c OR d)`, `"x y" -z`, `a:[1 TO 2}`, `/re/`, `a:*`, `\(`, `a:>=b`, `((`, `a*b?`, `NOT`, `a:"b"^2`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := &compiler{now: time.Unix(1.8e9, 0)}
		e, err := c.lucene(s, nil, false, time.UTC)
		if err != nil {
			return
		}
		if _, err := logstorage.ParseFilter(e.String()); err != nil {
			t.Fatalf("%q\nbecomes %s\n%v", s, e, err)
		}
	})
}

func FuzzAggs(f *testing.F) {
	f.Add(`{"a":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m","extended_bounds":{"min":1,"max":2}},"aggs":{"b":{"terms":{"field":"c","order":{"d":"asc"}},"aggs":{"d":{"avg":{"field":"e"}}}}}}}`)
	f.Add(`{"a":{"percentiles":{"field":"x","percents":[1]}},"b":{"range":{"field":"y","ranges":[{"from":1}]}}}`)
	f.Fuzz(func(t *testing.T, s string) {
		v, err := decode([]byte(s))
		if err != nil {
			return
		}
		_, _ = readAggs(&compiler{now: time.Unix(1.8e9, 0)}, v, 0)
	})
}

func FuzzDocument(f *testing.F) {
	f.Add(`{"@timestamp":"2026-01-01T00:00:00Z","a":{"b":[1,{"c":null}]},"d":"","e":1e400}`)
	f.Add(`{"@timestamp":1795903200000.5,"a.b":1,"a":{"b":2},"a":"x"}`)
	f.Fuzz(func(t *testing.T, s string) {
		v, err := fastjson.Parse(s)
		if err != nil {
			return
		}
		var fl flattener
		if fl.flatten(v, 1) != nil {
			return
		}
		row := map[string]string{"_time": "2026-01-01T00:00:00Z"}
		for _, x := range fl.fields {
			row[x.Name] = x.Value
		}
		_ = source(row)
	})
}
