package elastic

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNamespacesAreNotCrossed(t *testing.T) {
	s := serve(t)
	now := time.Now().UTC().Format(time.RFC3339)
	write := func(a Access, ns string) (int, string) {
		s.access = a
		doc := fmt.Sprintf(`{"@timestamp":%q,"message":"of %s"`, now, ns)
		if ns != "" {
			doc += fmt.Sprintf(`,"namespace":%q`, ns)
		}
		code, v := s.do(t, "POST", "/_bulk", `{"create":{"_index":"logs-x-y"}}`+"\n"+doc+"}\n")
		b, _ := json.Marshal(v)
		return code, string(b)
	}
	team := func(ns string) Access {
		return Access{User: ns, Read: []string{ns}, Write: []string{ns}, Home: ns}
	}
	for _, c := range []struct {
		a    Access
		ns   string
		want string
	}{
		{team("red"), "red", `"status":201`}, {team("red"), "", `"status":201`}, {team("blue"), "blue", `"status":201`},
		{team("red"), "blue", `user [red] may not write logs of namespace [blue]`}, {team("red"), "kube-system", "may not write"},
		{Access{User: "viewer", Read: []string{"red"}}, "red", `"security_exception"`},
	} {
		if code, got := write(c.a, c.ns); !strings.Contains(got, c.want) {
			t.Errorf("%s writes to %q: %d %s, want %s", c.a.User, c.ns, code, got, c.want)
		}
	}
	s.access = team("red")
	s.ok(t, "PUT", "/_index_template/red-only", `{"index_patterns":["logs-*"]}`)
	s.store.Flush()
	// Whatever the query says, only the caller's rows are counted.
	for _, q := range []string{
		`{"match_all":{}}`, `{"term":{"namespace":"blue"}}`, `{"query_string":{"query":"* OR namespace:blue"}}`,
		`{"query_string":{"query":"\") or namespace:blue or (\""}}`, `{"bool":{"should":[{"match_all":{}},{"term":{"namespace":"blue"}}]}}`,
		`{"regexp":{"namespace":".*"}}`, `{"wildcard":{"namespace":"*"}}`, `{"bool":{"must_not":{"term":{"namespace":"red"}}}}`,
		`{"term":{"x\") or namespace:(\"blue":"y"}}`, `{"prefix":{"namespace":"b\" or namespace:\"blue"}}`,
	} {
		for a, most := range map[string]float64{"red": 2, "blue": 1, "nobody": 0} {
			s.access = team(a)
			if a == "nobody" {
				s.access = Access{User: a}
			}
			code, v := s.do(t, "POST", "/_search", `{"size":10,"track_total_hits":true,"query":`+q+`,"aggs":{"n":{"terms":{"field":"namespace"}}}}`)
			b, _ := json.Marshal(v)
			if code != 200 {
				continue
			}
			other := map[string]string{"red": "of blue", "blue": "of red", "nobody": "of"}[a]
			if n := v["hits"].(map[string]any)["total"].(map[string]any)["value"].(float64); n > most || strings.Contains(string(b), other) {
				t.Errorf("%s asks %s: %s", a, q, b)
			}
		}
	}
	for _, path := range []string{"/_cat/indices?format=json", "/_mapping", "/_field_caps?fields=*", "/_data_stream", "/_resolve/index/*", "/logs-*/_settings", "/_index_template"} {
		s.access = Access{User: "nobody"}
		code, v := s.do(t, "GET", path, "")
		b, _ := json.Marshal(v)
		if code != 200 || strings.Contains(string(b), "logs-x-y") || strings.Contains(string(b), "red-only") {
			t.Errorf("%s shows %s", path, b)
		}
	}
	s.access = Access{User: "admin", Every: true, Write: []string{"red"}, Home: "red"}
	if n := s.ok(t, "GET", "/_count", "")["count"]; n != 3.0 {
		t.Errorf("admin counts %v", n)
	}
}

func TestRefusalsNameWhatIsWrong(t *testing.T) {
	s := serve(t)
	s.shop(t)
	deep := strings.Repeat(`{"bool":{"must":`, 20) + `{"match_all":{}}` + strings.Repeat("}}", 20)
	wide := `{"bool":{"should":[` + strings.Repeat(`{"term":{"a":"b"}},`, 1100) + `{"term":{"a":"b"}}]}}`
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/none/_search", "", 404, "no such index [none]"},
		{"GET", "/none/_mapping", "", 404, "index_not_found_exception"},
		{"POST", "/_search", `{"query":{"fuzzy":{"a":"b"}}}`, 400, "unknown or unsupported query [fuzzy]"},
		{"POST", "/_search", `{"query":{"match":{"a":{"query":"b","fuzziness":"AUTO"}}}}`, 400, "not supported by Slipway's log store: [match] fuzziness"},
		{"POST", "/_search", `{"collapse":{"field":"a"}}`, 400, "[search] collapse"},
		{"POST", "/_search", `{"aggs":{"a":{"significant_terms":{"field":"b"}}}}`, 400, "significant_terms"},
		{"POST", "/_search", `{"aggs":{"a":{"avg":{"script":"b"}}}}`, 400, "Required one of fields"},
		{"POST", "/_search", `{"query":` + deep + `}`, 400, "nested deeper than"},
		{"POST", "/_search", `{"query":` + wide + `}`, 400, "more than 1024 clauses"},
		{"POST", "/_search", `{"size":10001}`, 400, "Result window is too large"},
		{"POST", "/_search", `{"query":`, 400, "request body"},
		{"POST", "/_search", `{} {}`, 400, "something follows"},
		{"POST", "/_search", `{"query":{"regexp":{"a":"~b"}}}`, 400, "operator ~"},
		{"POST", "/_search", `{"query":{"query_string":{"query":"a:(b"}}}`, 400, "Failed to parse query [a:(b]"},
		{"POST", "/_search", `{"query":{"range":{"@timestamp":{"gte":"yesterday"}}}}`, 400, "failed to parse date field [yesterday]"},
		{"POST", "/_search", `{"aggs":{"h":{"date_histogram":{"field":"@timestamp","fixed_interval":"1ms","extended_bounds":{"min":0,"max":1795903200000}}}}}`, 400, "too_many_buckets_exception"},
		{"POST", "/_search?scroll=1m", `{}`, 400, "[scroll]"},
		{"DELETE", "/logs-shop-default", "", 400, "deleting an index"},
		{"GET", "/_tasks", "", 400, "API [_tasks]"},
		{"DELETE", "/_search", "", 405, "Incorrect HTTP method"},
		{"PUT", "/_Bad", "", 400, "API [_Bad]"},
		{"PUT", "/Bad", "", 400, "must be lowercase"},
		{"PUT", "/_ilm/policy/p", `{"policy":{"phases":{"glacial":{}}}}`, 400, "does not support phase [glacial]"},
		{"PUT", "/_index_template/t", `{"index_patterns":["x"],"composed_of":["none"]}`, 400, "component templates [none] that do not exist"},
		{"GET", "/_index_template/none", "", 404, "resource_not_found_exception"},
		{"POST", "/_bulk", "", 400, "request body is required"},
		{"POST", "/_bulk", "{\"explode\":{}}\n{}\n", 400, "Malformed action/metadata line [1]"},
		{"POST", "/_bulk", "not json\n", 400, "Malformed action/metadata line [1]"},
		{"POST", "/_bulk", "{\"index\":{\"_index\":\"a\"}}\n", 400, "has no document"},
	} {
		code, v := s.do(t, c.method, c.path, c.body)
		b, _ := json.Marshal(v)
		if code != c.status || !strings.Contains(string(b), c.want) {
			t.Errorf("%s %s %.80s: %d %s, want %d %s", c.method, c.path, c.body, code, b, c.status, c.want)
			continue
		}
		if e, ok := v["error"].(map[string]any); !ok || e["type"] == "" || e["root_cause"] == nil || v["status"] != float64(c.status) {
			t.Errorf("%s %s: %s has not Elasticsearch's shape", c.method, c.path, b)
		}
	}
}

func TestItemsFailOneByOne(t *testing.T) {
	s := serve(t)
	now := time.Now().UTC().Format(time.RFC3339)
	big := strings.Repeat("x", maxDocument)
	fields := make([]string, maxFields+1)
	for i := range fields {
		fields[i] = fmt.Sprintf(`"f%04d":1`, i)
	}
	lines := []struct{ action, doc, want string }{
		{`{"create":{"_id":"one"}}`, `{"@timestamp":"` + now + `","a":1}`, `"status":201`},
		{`{"create":{"_id":"one"}}`, `{"a":1}`, "version conflict"},
		{`{"index":{}}`, `{"a":2}`, `"result":"created"`},
		{`{"update":{"_id":"one"}}`, `{"doc":{}}`, "action [update]"},
		{`{"delete":{"_id":"one"}}`, "", "action [delete]"},
		{`{"create":{"_index":"UPPER"}}`, `{}`, "must be lowercase"},
		{`{"create":{}}`, `{"a":`, "failed to parse"},
		{`{"create":{}}`, `[1]`, "a document is an object"},
		{`{"create":{}}`, `{"@timestamp":"2001-01-01"}`, "out of what is kept"},
		{`{"create":{}}`, `{"@timestamp":"soon"}`, "failed to parse"},
		{`{"create":{}}`, `{"_id":"x"}`, "metadata field"},
		{`{"create":{}}`, `{"` + strings.Repeat("n", 200) + `":1}`, "longer than 128 bytes"},
		{`{"create":{}}`, `{"m":"` + big + `"}`, "larger than"},
		{`{"create":{}}`, `{` + strings.Join(fields, ",") + `}`, "Limit of total fields [1000] has been exceeded by field [f1000]"},
		{`{"create":{}}`, `{"last":true}`, `"status":201`},
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.action + "\n")
		if l.doc != "" {
			b.WriteString(l.doc + "\n")
		}
	}
	v := s.ok(t, "POST", "/logs-x-default/_bulk", b.String())
	items := v["items"].([]any)
	if v["errors"] != true || len(items) != len(lines) {
		t.Fatalf("%d items of %d, errors %v", len(items), len(lines), v["errors"])
	}
	for i, l := range lines {
		if got, _ := json.Marshal(items[i]); !strings.Contains(string(got), l.want) {
			t.Errorf("%s %.60s: %s, want %s", l.action, l.doc, got, l.want)
		}
	}
	s.store.Flush()
	if n := s.ok(t, "GET", "/logs-x-default/_count", "")["count"]; n != 3.0 {
		t.Errorf("%v documents, want 3", n)
	}
	// Sent again, what was kept is not kept twice.
	again := s.ok(t, "POST", "/logs-x-default/_bulk", `{"create":{"_id":"one"}}`+"\n"+`{"a":1}`+"\n")
	if b, _ := json.Marshal(again); !strings.Contains(string(b), `"status":409`) {
		t.Errorf("again: %s", b)
	}
}

func TestFieldsOfAnIndexAreBounded(t *testing.T) {
	s := serve(t)
	var b strings.Builder
	for i := range maxFields + 5 {
		fmt.Fprintf(&b, `{"create":{"_index":"logs-explosion-default"}}`+"\n"+`{"key-%d":1}`+"\n", i)
	}
	got, _ := json.Marshal(s.ok(t, "POST", "/_bulk", b.String()))
	if n := strings.Count(string(got), `"status":201`); n < maxFields-5 || n > maxFields {
		t.Errorf("%d documents were taken", n)
	}
	if !strings.Contains(string(got), "while adding new field [key-1004] to index [logs-explosion-default]") {
		t.Error("the field that is one too many has no name")
	}
}
