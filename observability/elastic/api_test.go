package elastic

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAPIs asks each of the APIs once, in an order in which one builds on another.
func TestAPIs(t *testing.T) {
	s := serve(t)
	s.shop(t)
	stamp := epoch.Format(time.RFC3339)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/", "", 200, `"tagline":"You Know, for Search"`},
		{"HEAD", "/", "", 200, ``},
		{"GET", "/_nodes/http", "", 200, `"nodes":{}`},
		{"GET", "/_license", "", 200, `"status":"active"`},
		{"GET", "/_xpack", "", 200, `"ilm":{"available":true`},
		{"GET", "/_security/_authenticate", "", 200, `"username":"dev"`},
		{"GET", "/_ingest/pipeline/none", "", 404, "pipeline [none] is missing"},
		{"GET", "/_cluster/health", "", 200, `"status":"green"`},
		{"GET", "/_cluster/health?wait_for_status=yellow&timeout=5s", "", 200, `"timed_out":false`},
		{"GET", "/_cluster/stats", "", 400, "API [_cluster/stats]"},
		{"PUT", "/_ilm/policy/seven", `{"policy":{"phases":{"delete":{"min_age":"7d","actions":{"delete":{}}}}}}`, 200, `"acknowledged":true`},
		{"GET", "/_ilm/policy/seven", "", 200, `"min_age":"7d"`},
		{"GET", "/_ilm/status", "", 200, `"operation_mode":"RUNNING"`},
		{"PUT", "/_component_template/base", `{"template":{"settings":{"index.lifecycle.name":"seven"},"mappings":{"properties":{"code":{"type":"long"}}}}}`, 200, `"acknowledged":true`},
		{"GET", "/_component_template/base", "", 200, `"component_templates":[{"component_template":`},
		{"PUT", "/_index_template/made", `{"index_patterns":["logs-made-*"],"data_stream":{},"composed_of":["base"]}`, 200, `"acknowledged":true`},
		{"GET", "/_index_template/made", "", 200, `"index_templates":[{"index_template":`},
		{"HEAD", "/_index_template/made", "", 200, ``},
		{"PUT", "/_template/old", `{"index_patterns":["old-*"],"order":2,"mappings":{"properties":{"code":{"type":"keyword"}}}}`, 200, `"acknowledged":true`},
		{"GET", "/_template/old", "", 200, `"old":{"index_patterns":["old-*"]`},
		{"PUT", "/_data_stream/logs-made-default", "", 200, `"acknowledged":true`},
		{"GET", "/_data_stream/logs-made-default", "", 200, `"ilm_policy":"seven"`},
		{"GET", "/logs-made-default/_ilm/explain", "", 200, `documents are deleted after 168h0m0s`},
		{"PUT", "/logs-made-default/_create/one", `{"@timestamp":"` + stamp + `","code":7}`, 201, `"_id":"one"`},
		{"PUT", "/logs-made-default/_create/one", `{"@timestamp":"` + stamp + `","code":7}`, 409, `version_conflict_engine_exception`},
		{"POST", "/logs-made-default/_doc", `{"@timestamp":"` + stamp + `","code":8}`, 201, `"result":"created"`},
		{"POST", "/logs-made-default/_bulk", `{"index":{}}` + "\n" + `{"@timestamp":"` + stamp + `","code":9}` + "\n", 200, `"errors":false`},
		{"POST", "/logs-made-default/_refresh", "", 200, `"_shards":{`},
		{"POST", "/_flush", "", 200, `"_shards":{`},
		{"GET", "/logs-made-default/_doc/one", "", 200, `"found":true`},
		{"GET", "/logs-made-default/_doc/two", "", 404, `"found":false`},
		{"GET", "/logs-made-default/_count", `{"query":{"range":{"code":{"gte":8}}}}`, 200, `"count":2`},
		{"GET", "/logs-made-default/_count?q=code:7", "", 200, `"count":1`},
		{"GET", "/logs-made-default/_search?q=code:9&size=1", "", 200, `"code":9`},
		{"GET", "/logs-made-default/_search?q=code:9&size=1&filter_path=hits.hits._source.code", "", 200, `{"hits":{"hits":[{"_source":{"code":9}}]}}`},
		{"GET", "/none/_search?filter_path=took", "", 404, `no such index [none]`},
		{"GET", "/_cat/count/logs-made-*?format=json", "", 200, `"count":"3"`},
		{"GET", "/_cat/indices/logs-made-*?filter_path=x", "", 200, `logs-made-default`},
		{"POST", "/logs-made-default/_search", `{"query":{"term":{"code":7}}}`, 200, `"_id":"one"`},
		{"POST", "/_msearch", `{"index":"logs-made-*"}` + "\n{}\n" + `{"index":"none"}` + "\n{}\n", 200, `no such index [none]`},
		{"GET", "/logs-made-default/_mapping", "", 200, `"code":{"type":"long"}`},
		{"GET", "/logs-made-default/_mappings", "", 200, `"code":{"type":"long"}`},
		{"GET", "/logs-made-default/_mapping/field/code", "", 200, `"full_name":"code"`},
		{"PUT", "/old-one/_mapping", `{"properties":{"code":{"type":"keyword"}}}`, 200, `"acknowledged":true`},
		{"GET", "/logs-made-default/_field_caps?fields=co*", "", 200, `"code":{"long":{"aggregatable":true`},
		{"POST", "/logs-made-default/_field_caps", `{"fields":["code"]}`, 200, `"searchable":true`},
		{"GET", "/logs-made-default/_settings", "", 200, `"provided_name":"logs-made-default"`},
		{"GET", "/logs-made-default/_alias", "", 200, `"aliases":{}`},
		{"GET", "/_resolve/index/logs-*", "", 200, `"name":"logs-made-default"`},
		{"GET", "/_cat/indices/logs-made-*?format=json", "", 200, `"docs.count":"3"`},
		{"GET", "/_cat/indices/logs-*?h=index&s=docs.count:desc,index&format=json", "", 200, `[{"index":"logs-shop`},
		{"GET", "/_cat/health?format=json", "", 200, `"status":"green"`},
		{"GET", "/_cat/shards", "", 400, "API [_cat/shards]; known: indices, health, count"},
		{"PUT", "/plain", `{"mappings":{"properties":{"code":{"type":"long"}}}}`, 200, `"index":"plain"`},
		{"HEAD", "/plain", "", 200, ``},
		{"GET", "/plain", "", 200, `"provided_name":"plain"`},
		{"DELETE", "/_index_template/made", "", 200, `"acknowledged":true`},
		{"DELETE", "/_component_template/base", "", 200, `"acknowledged":true`},
		{"DELETE", "/_template/old", "", 200, `"acknowledged":true`},
		{"DELETE", "/_ilm/policy/seven", "", 200, `"acknowledged":true`},
		{"DELETE", "/_data_stream/logs-made-default", "", 400, "deleting a data stream"},
	} {
		r, err := http.NewRequest(c.method, s.URL+"/elastic"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || !strings.Contains(string(b), c.want) {
			t.Errorf("%s %s: %d %s %v, want %d %s", c.method, c.path, resp.StatusCode, b, err, c.status, c.want)
		}
		if c.method == "POST" || c.method == "PUT" {
			s.store.Flush()
		}
	}
}

// TestSearchMembers: what a search has besides its query.
func TestSearchMembers(t *testing.T) {
	s := serve(t)
	s.shop(t)
	for body, want := range map[string]string{
		`{"size":2,"sort":[{"took":{"order":"desc"}}]}`:       "d11 d10",
		`{"size":2,"sort":["took"]}`:                          "d0 d1",
		`{"from":3,"size":2,"sort":[{"@timestamp":"asc"}]}`:   "d3 d4",
		`{"size":2,"sort":[{"level":"asc"},{"took":"desc"}]}`: "d11 d7",
		`{"size":3,"sort":[{"@timestamp":"asc"}],"search_after":[` + fmt.Sprint(epoch.Add(5*time.Minute).UnixMilli()) + `]}`: "d2 d3 d4",
		`{"size":2,"sort":[{"took":"asc"}],"search_after":[9.5]}`:                                                            "d10 d11",
		`{"query":{"bool":{"filter":{"term":{"level":"error"}}}},"sort":["took"],"size":1}`:                                  "d3",
	} {
		code, v := s.do(t, "POST", "/logs-shop-default/_search", body)
		if got := hits(v); code != 200 || got != want {
			t.Errorf("%s: %d %s %v, want %s", body, code, got, v["error"], want)
		}
	}
	for body, want := range map[string]string{
		`{"size":1,"sort":["took"],"_source":false}`:                                                `[{"_id":"d0","_index":"logs-shop-default","_score":null,"sort":[0.5]}]`,
		`{"size":1,"sort":["took"],"_source":["http.*"]}`:                                           `"_source":{"http":{"path":"/cart/0","status":200}}`,
		`{"size":1,"sort":["took"],"_source":{"includes":["http.*","took"],"excludes":["*.path"]}}`: `"_source":{"http":{"status":200},"took":0.5}`,
		`{"size":1,"sort":["took"],"_source":false,"fields":["http.status"]}`:                       `"fields":{"http.status":[200]}`,
	} {
		v := s.ok(t, "POST", "/logs-shop-default/_search", body)
		if b, _ := json.Marshal(v["hits"].(map[string]any)["hits"]); !strings.Contains(string(b), want) {
			t.Errorf("%s: %s, want %s", body, b, want)
		}
	}
	for body, want := range map[string]string{
		`{"size":0,"track_total_hits":true}`:  `{"relation":"eq","value":12}`,
		`{"size":0,"track_total_hits":5}`:     `{"relation":"gte","value":5}`,
		`{"size":0,"track_total_hits":false}`: `null`,
	} {
		if b, _ := json.Marshal(s.ok(t, "POST", "/_search", body)["hits"].(map[string]any)["total"]); string(b) != want {
			t.Errorf("%s: %s, want %s", body, b, want)
		}
	}
}

// TestDateHistogramOfAField that is not the time of the document, in a month and a day of
// the calendar, in a zone, and with values of different precision.
func TestDateHistogramOfAField(t *testing.T) {
	s := serve(t)
	var b strings.Builder
	for i, at := range []string{"2026-01-31T23:30:00Z", "2026-02-01T00:00:00.000Z", "2026-02-01T10:00:00+02:00", "2026-04-01T00:00:00.5Z", ""} {
		index := []string{"logs-a-default", "logs-b-default"}[i%2] // each has its values in columns of its own
		field := fmt.Sprintf(`,"done":{"at":%q}`, at)
		if at == "" {
			field = ""
		}
		fmt.Fprintf(&b, `{"create":{"_index":%q}}`+"\n"+`{"@timestamp":%q,"n":%d%s}`+"\n", index, epoch.Format(time.RFC3339), i+1, field)
	}
	s.ok(t, "POST", "/_bulk", b.String())
	s.store.Flush()
	for body, want := range map[string]string{
		`{"calendar_interval":"month"}`:                                                           "2026-01-01T00:00:00.000Z=1/1 2026-02-01T00:00:00.000Z=2/5 2026-03-01T00:00:00.000Z=0/0 2026-04-01T00:00:00.000Z=1/4",
		`{"calendar_interval":"1d","min_doc_count":1,"format":"yyyy-MM-dd"}`:                      "2026-01-31=1/1 2026-02-01=2/5 2026-04-01=1/4",
		`{"calendar_interval":"1d","min_doc_count":1,"format":"yyyy-MM-dd","time_zone":"+01:00"}`: "2026-02-01=3/6 2026-04-01=1/4",
		`{"fixed_interval":"12h","min_doc_count":1,"format":"strict_date_optional_time"}`:         "2026-01-31T12:00:00.000Z=1/1 2026-02-01T00:00:00.000Z=2/5 2026-04-01T00:00:00.000Z=1/4",
		`{"calendar_interval":"year","format":"yyyy"}`:                                            "2026=4/10",
		`{"calendar_interval":"week","min_doc_count":1,"format":"yyyy-MM-dd"}`:                    "2026-01-26=3/6 2026-03-30=1/4",
	} {
		histogram := strings.Replace(body, `{`, `{"field":"done.at",`, 1)
		v := s.ok(t, "POST", "/logs-*/_search", `{"size":0,"aggs":{"h":{"date_histogram":`+histogram+`,"aggs":{"n":{"sum":{"field":"n"}}}}}}`)
		var got []string
		for _, e := range v["aggregations"].(map[string]any)["h"].(map[string]any)["buckets"].([]any) {
			m := e.(map[string]any)
			got = append(got, fmt.Sprintf("%v=%v/%v", m["key_as_string"], m["doc_count"], m["n"].(map[string]any)["value"]))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s\n got %s\nwant %s", body, strings.Join(got, " "), want)
		}
	}
	// Terms around it, and the time of the document inside.
	v := s.ok(t, "POST", "/logs-*/_search", `{"size":0,"aggs":{"i":{"terms":{"field":"_index"},"aggs":{"h":{"date_histogram":{"field":"done.at","calendar_interval":"month","min_doc_count":1},"aggs":{"t":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h"}}}}}}}}`)
	if b, _ := json.Marshal(v["aggregations"]); strings.Count(string(b), `"t":{"buckets":[{"doc_count":1,`) != 4 {
		t.Errorf("nested: %s", b)
	}
	for value, want := range map[string]string{`1764547200000`: "[done.at] with the value [1764547200000]", `"yesterday"`: "[done.at] with the value [yesterday]"} {
		s.ok(t, "POST", "/logs-c-default/_doc", `{"@timestamp":"`+epoch.Format(time.RFC3339)+`","v":`+value+`,"done":{"at":`+value+`}}`)
		s.store.Flush()
		code, e := s.do(t, "POST", "/logs-c-default/_search", `{"size":0,"query":{"term":{"v.keyword":`+value+`}},"aggs":{"h":{"date_histogram":{"field":"done.at","calendar_interval":"day"}}}}`)
		if code != 400 || !strings.Contains(fmt.Sprint(e), want) {
			t.Errorf("%s: %d %v", value, code, e)
		}
	}
}
