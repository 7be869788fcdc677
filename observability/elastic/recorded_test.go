package elastic

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestWhatShippersAndGrafanaSend has the requests that clients which cannot run here send,
// in the shapes that their sources have.
func TestWhatShippersAndGrafanaSend(t *testing.T) {
	s := serve(t)
	s.shop(t)
	now := time.Now().UTC()
	stamp := now.Format("2006-01-02T15:04:05.000Z")
	from, to := epoch.UnixMilli(), now.UnixMilli()
	grafana := func(query string) string {
		return `{"ignore_unavailable":true,"index":"logs-*","search_type":"query_then_fetch"}` + "\n" + query + "\n"
	}
	span := fmt.Sprintf(`{"range":{"@timestamp":{"format":"epoch_millis","gte":%d,"lte":%d}}}`, from, to)
	bounds := fmt.Sprintf(`"extended_bounds":{"max":%d,"min":%d}`, to, from)
	for _, c := range []struct {
		who, method, path, body string
		status                  int
		want                    string
	}{
		{"Grafana, logs", "POST", "/_msearch?max_concurrent_shard_requests=5", grafana(`{"aggs":{},"highlight":{"fields":{"*":{}},"fragment_size":2147483647,"post_tags":["@/HIGHLIGHT@"],"pre_tags":["@HIGHLIGHT@"]},"query":{"bool":{"filter":[` + span + `,{"query_string":{"analyze_wildcard":true,"query":"level:error"}}]}},"size":500,"sort":[{"@timestamp":{"order":"desc","unmapped_type":"boolean"}},{"_doc":{"order":"desc"}}]}`),
			200, `"_id":"d11"`},
		{"Grafana, volume", "POST", "/_msearch", grafana(`{"aggs":{"3":{"aggs":{"2":{"date_histogram":{` + bounds + `,"field":"@timestamp","fixed_interval":"30m","format":"epoch_millis","min_doc_count":0}}},"terms":{"field":"level","min_doc_count":1,"missing":"unknown","order":{"_key":"desc"},"size":500}}},"query":{"bool":{"filter":[` + span + `]}},"size":0}`),
			200, `"key":"error"`},
		{"Grafana, average by host", "POST", "/_msearch", grafana(`{"aggs":{"2":{"aggs":{"3":{"aggs":{"1":{"avg":{"field":"took"}}},"date_histogram":{` + bounds + `,"field":"@timestamp","fixed_interval":"1h","format":"epoch_millis","min_doc_count":"0"}},"1":{"avg":{"field":"took"}}},"terms":{"field":"user.keyword","min_doc_count":"1","order":{"1":"desc"},"size":"10"}}},"query":{"bool":{"filter":[` + span + `,{"query_string":{"analyze_wildcard":true,"query":"*"}}]}},"size":0}`),
			200, `"key":"user-2"`},
		{"Grafana, raw data", "POST", "/_msearch", grafana(`{"aggs":{},"docvalue_fields":["@timestamp"],"fields":["*"],"query":{"bool":{"filter":[` + span + `]}},"script_fields":{},"size":1,"sort":[{"@timestamp":{"order":"desc","unmapped_type":"boolean"}}]}`),
			200, `"fields":{`},
		{"Grafana, fields", "GET", "/logs-*/_mapping", "", 200, `"@timestamp":{"type":"date"}`},
		{"Grafana, version", "GET", "/", "", 200, `"number":"8.19.0"`},
		{"Grafana, values of a variable", "POST", "/_msearch", grafana(`{"aggs":{"1":{"terms":{"field":"level","order":{"_key":"asc"},"size":500}}},"query":{"bool":{"filter":[` + span + `]}},"size":0}`), 200, `"key":"info"`},
		{"Fluent Bit", "POST", "/_bulk", `{"create":{"_index":"fluent-bit"}}` + "\n" + `{"@timestamp":"` + stamp + `","log":"GET / 200","stream":"stdout","kubernetes":{"pod_name":"web-1","namespace_name":"default","labels":{"app":"web"},"host":"n1"}}` + "\n", 200, `"errors":false`},
		{"Fluent Bit with types", "POST", "/_bulk", `{"index":{"_index":"fluent-bit","_type":"_doc"}}` + "\n" + `{"@timestamp":"` + stamp + `","log":"x"}` + "\n", 200, `"errors":false`},
		{"Fluentd, is it there", "HEAD", "/", "", 200, ""},
		{"Fluentd, template", "GET", "/_index_template/fluentd", "", 404, "resource_not_found_exception"},
		{"Fluentd, makes it", "PUT", "/_index_template/fluentd", `{"index_patterns":["fluentd-*"],"template":{"settings":{"number_of_shards":1}}}`, 200, `"acknowledged":true`},
		{"Fluentd", "POST", "/_bulk", `{"index":{"_index":"fluentd","_type":"_doc"}}` + "\n" + `{"message":"hello","@timestamp":"2026-11-28T10:00:00.123456789+00:00"}` + "\n", 200, `"status":`},
		{"Logstash, license", "GET", "/_license", "", 200, `"status":"active"`},
		{"Logstash, template", "HEAD", "/_index_template/ecs-logstash", "", 404, ""},
		{"Logstash, makes it", "PUT", "/_index_template/ecs-logstash", `{"index_patterns":["ecs-logstash-*"],"template":{"settings":{"index":{"refresh_interval":"5s"}},"mappings":{"dynamic_templates":[],"properties":{"host":{"properties":{"name":{"type":"keyword"}}}}}},"priority":200,"_meta":{"description":"x"}}`, 200, `"acknowledged":true`},
		{"Logstash", "POST", "/_bulk?filter_path=errors,items.*.error,items.*.status", `{"create":{"_id":null,"_index":"ecs-logstash-2026.11","routing":null}}` + "\n" + `{"@timestamp":"` + stamp + `","@version":"1","event":{"original":"hello"},"host":{"name":"n1"}}` + "\n", 200, `"errors":false`},
		{"Logstash, policy", "GET", "/_ilm/policy/logstash-policy", "", 404, "Lifecycle policy not found"},
		{"Logstash, its policy", "PUT", "/_ilm/policy/logstash-policy", `{"policy":{"phases":{"hot":{"actions":{"rollover":{"max_size":"50gb","max_age":"30d"}}}}}}`, 200, `"acknowledged":true`},
		{"Logstash, alias", "HEAD", "/_alias/logstash", "", 404, ""},
	} {
		code, v := s.do(t, c.method, c.path, c.body)
		b, _ := json.Marshal(v)
		if code != c.status || !strings.Contains(string(b), c.want) || strings.Contains(string(b), `"error":{"reason"`) && c.status == 200 {
			t.Errorf("%s: %d %.1500s, want %d %s", c.who, code, b, c.status, c.want)
		}
	}
	s.store.Flush()
	v := s.ok(t, "POST", "/_search", `{"query":{"query_string":{"query":"kubernetes.labels.app:web AND log:\"GET / 200\""}}}`)
	if b, _ := json.Marshal(v); !strings.Contains(string(b), `"pod_name":"web-1"`) {
		t.Errorf("what Fluent Bit sent is not found: %s", b)
	}
}
