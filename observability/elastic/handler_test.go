package elastic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/observability/logs"
	"slipway.dev/observability/logs/logstest"
)

// own is a caller who writes and reads one namespace.
var own = Access{User: "dev", Read: []string{"default"}, Write: []string{"default"}, Home: "default"}

type server struct {
	*httptest.Server
	store  *logs.Store
	h      *Handler
	access Access
	rows   string // the store's directory
}

// serve runs the real handler over the real store.
func serve(t testing.TB) *server {
	t.Helper()
	s := &server{access: own}
	t.Cleanup(s.start(t, t.TempDir()))
	return s
}

// start on what a directory has, until it is stopped.
func (s *server) start(t testing.TB, dir string) (stop func()) {
	t.Helper()
	s.rows = filepath.Join(dir, "store", "rows")
	store, end := logstest.Run(t, filepath.Join(dir, "store"))
	h, err := New(store, filepath.Join(dir, "elastic.json"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.store, s.h = store, h
	s.Server = httptest.NewServer(http.StripPrefix("/elastic", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.access.Attach(r.Header)
		h.ServeHTTP(w, r)
	})))
	return func() {
		s.Close()
		end()
	}
}

// do sends a request and reads the JSON of the answer.
func (s *server) do(t testing.TB, method, path, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+"/elastic"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Elastic-Product") != "Elasticsearch" {
		t.Errorf("%s %s: no X-Elastic-Product", method, path)
	}
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&v); err != nil && len(b) > 0 && b[0] == '{' {
		t.Fatalf("%s %s: %v: %s", method, path, err, b)
	}
	return resp.StatusCode, v
}

func (s *server) ok(t testing.TB, method, path, body string) map[string]any {
	t.Helper()
	code, v := s.do(t, method, path, body)
	if code >= 300 {
		t.Fatalf("%s %s: %d %v", method, path, code, v)
	}
	return v
}

// epoch is when the documents of tests begin: on the hour, an hour or two ago.
var epoch = time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Hour)

// shop writes twelve documents, five minutes apart.
func (s *server) shop(t testing.TB) {
	t.Helper()
	var b strings.Builder
	for i := range 12 {
		level, status := "info", 200
		if i%4 == 3 {
			level, status = "error", 500
		}
		fmt.Fprintf(&b, `{"create":{"_index":"logs-shop-default","_id":"d%d"}}`+"\n", i)
		fmt.Fprintf(&b, `{"@timestamp":%q,"message":"Request %d of Cart failed-or-not","level":%q,"http":{"status":%d,"path":"/cart/%d"},"took":%d.5,"tags":["a","t%d"],"cached":%t,"user":"user-%d"}`+"\n",
			epoch.Add(time.Duration(i)*5*time.Minute).Format(time.RFC3339Nano), i, level, status, i%2, i, i%3, i%2 == 0, i%3)
	}
	v := s.ok(t, "POST", "/_bulk", b.String())
	if v["errors"] != false {
		t.Fatalf("bulk: %v", v)
	}
	s.store.Flush()
}

// hits are the ids of an answer.
func hits(v map[string]any) string {
	var ids []string
	h, _ := v["hits"].(map[string]any)
	list, _ := h["hits"].([]any)
	for _, e := range list {
		ids = append(ids, e.(map[string]any)["_id"].(string))
	}
	return strings.Join(ids, " ")
}

func TestQueries(t *testing.T) {
	s := serve(t)
	s.shop(t)
	at := func(i int) string { return epoch.Add(time.Duration(i) * 5 * time.Minute).Format(time.RFC3339) }
	for query, want := range map[string]string{
		`{"match_all":{}}`:                  "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
		`{"match_none":{}}`:                 "",
		`{"match":{"message":"request 3"}}`: "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
		`{"match":{"message":{"query":"cart 3","operator":"and"}}}`:                        "d3",
		`{"match":{"message":{"query":"CART 3","minimum_should_match":"100%"}}}`:           "d3",
		`{"match_phrase":{"message":"request 4 OF cart"}}`:                                 "d4",
		`{"match_phrase":{"http.path":"CART 1"}}`:                                          "d1 d3 d5 d7 d9 d11",
		`{"match_phrase":{"message":"failed not"}}`:                                        "",
		`{"match_phrase_prefix":{"message":"request 1"}}`:                                  "d1 d10 d11",
		`{"multi_match":{"query":"user-1","fields":["user","message^2"],"type":"phrase"}}`: "d1 d4 d7 d10",
		`{"multi_match":{"query":"error"}}`:                                                "d3 d7 d11",
		`{"term":{"level":"error"}}`:                                                       "d3 d7 d11",
		`{"term":{"level":{"value":"ERROR","case_insensitive":true}}}`:                     "d3 d7 d11",
		`{"term":{"level":"ERROR"}}`:                                                       "",
		`{"term":{"http.status":500}}`:                                                     "d3 d7 d11",
		`{"term":{"cached":true}}`:                                                         "d0 d2 d4 d6 d8 d10",
		`{"term":{"user.keyword":"user-2"}}`:                                               "d2 d5 d8 d11",
		`{"term":{"tags.keyword":"t2"}}`:                                                   "d2 d5 d8 d11",
		`{"terms":{"level":["error","warn"]}}`:                                             "d3 d7 d11",
		`{"terms":{"http.path.keyword":["/cart/1"]}}`:                                      "d1 d3 d5 d7 d9 d11",
		`{"range":{"took":{"gte":9.5,"lt":11}}}`:                                           "d9 d10",
		`{"range":{"@timestamp":{"gt":"` + at(9) + `"}}}`:                                  "d10 d11",
		`{"range":{"@timestamp":{"gte":"` + at(1) + `","lte":"` + at(2) + `","format":"strict_date_optional_time"}}}`:                                                "d1 d2",
		`{"range":{"@timestamp":{"gte":` + fmt.Sprint(epoch.UnixMilli()) + `,"lt":` + fmt.Sprint(epoch.Add(time.Minute).UnixMilli()) + `,"format":"epoch_millis"}}}`: "d0",
		`{"range":{"@timestamp":{"gte":"now-4h","lte":"now"}}}`:                                                                                                      "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
		`{"bool":{"must":{"match":{"message":"cart"}},"must_not":[{"term":{"level":"info"}}],"filter":[{"term":{"cached":false}}]}}`:                                 "d3 d7 d11",
		`{"bool":{"should":[{"term":{"took":1.5}},{"term":{"took":2.5}}]}}`:                                                                                          "d1 d2",
		`{"bool":{"should":[{"term":{"level":"error"}},{"term":{"cached":false}},{"term":{"user.keyword":"user-0"}}],"minimum_should_match":2}}`:                     "d3 d7 d9 d11",
		`{"bool":{"filter":{"term":{"level":"error"}},"should":[{"term":{"took":1.5}}]}}`:                                                                            "d3 d7 d11",
		`{"bool":{}}`:                          "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
		`{"exists":{"field":"http"}}`:          "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
		`{"exists":{"field":"nothing"}}`:       "",
		`{"prefix":{"user.keyword":"user-"}}`:  "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
		`{"prefix":{"level":{"value":"err"}}}`: "d3 d7 d11",
		`{"wildcard":{"level":"e*r"}}`:         "d3 d7 d11",
		`{"wildcard":{"http.path.keyword":{"value":"/CART/?","case_insensitive":true}}}`:                   "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
		`{"wildcard":{"message":"fail*"}}`:                                                                 "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
		`{"regexp":{"user.keyword":"user-[12]"}}`:                                                          "d1 d2 d4 d5 d7 d8 d10 d11",
		`{"regexp":{"user.keyword":"ser-1"}}`:                                                              "",
		`{"ids":{"values":["d5","none"]}}`:                                                                 "d5",
		`{"constant_score":{"filter":{"term":{"level":"error"}}}}`:                                         "d3 d7 d11",
		`{"query_string":{"query":"*"}}`:                                                                   "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
		`{"query_string":{"query":"level:error"}}`:                                                         "d3 d7 d11",
		`{"query_string":{"query":"level:error AND NOT message:\"request 3\""}}`:                           "d7 d11",
		`{"query_string":{"query":"level:(error OR warn) -took:7.5"}}`:                                     "d3 d11",
		`{"query_string":{"query":"+cart +took:>=10"}}`:                                                    "d10 d11",
		`{"query_string":{"query":"took:[2 TO 4} user:user-*"}}`:                                           "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
		`{"query_string":{"query":"took:[2 TO 4} AND user.keyword:user-*","analyze_wildcard":true}}`:       "d2 d3",
		`{"query_string":{"query":"http.path.keyword:\\/cart\\/1"}}`:                                       "d1 d3 d5 d7 d9 d11",
		`{"query_string":{"query":"user.keyword:/user-[01]/ AND _exists_:took","default_operator":"AND"}}`: "d0 d1 d3 d4 d6 d7 d9 d10",
		`{"query_string":{"query":"cart 11","default_operator":"AND"}}`:                                    "d11",
		`{"simple_query_string":{"query":"cart +11","fields":["message"],"default_operator":"and"}}`:       "d11",
		`{"term":{"_index":"logs-shop-default"}}`:                                                          "d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11",
	} {
		code, v := s.do(t, "POST", "/logs-*/_search", `{"size":100,"sort":[{"@timestamp":"asc"}],"query":`+query+`}`)
		if got := hits(v); code != 200 || got != want {
			t.Errorf("%s\n got %d %s %v\nwant %s", query, code, got, v["error"], want)
		}
	}
}

func TestDocumentsComeBackAsTheyCame(t *testing.T) {
	s := serve(t)
	doc := `{"@timestamp":"2026-01-01T00:00:00Z","message":"x","a":{"b":{"c":1,"d":"1"},"e":[1,"two",{"f":null}]},"t":true,"z":null,"empty":"","none":{},"list":[],"n":1.50,"app.kubernetes.io/name":"shop"}`
	doc = strings.Replace(doc, "2026-01-01T00:00:00Z", epoch.Format(time.RFC3339), 1)
	v := s.ok(t, "POST", "/logs-x-default/_doc", doc)
	s.store.Flush()
	got := s.ok(t, "GET", "/logs-x-default/_doc/"+v["_id"].(string), "")["_source"].(map[string]any)
	var want map[string]any
	if err := json.Unmarshal([]byte(doc), &want); err != nil {
		t.Fatal(err)
	}
	want["namespace"] = "default"
	// A dot in a name and an object are one to Elasticsearch.
	delete(want, "app.kubernetes.io/name")
	want["app"] = map[string]any{"kubernetes": map[string]any{"io/name": "shop"}}
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if !bytes.Equal(g, w) {
		t.Errorf("got  %s\nwant %s", g, w)
	}
	filtered := s.ok(t, "POST", "/_search", `{"_source":{"includes":["a.*","t"],"excludes":"a.e"}}`)
	h := filtered["hits"].(map[string]any)["hits"].([]any)[0].(map[string]any)
	if b, _ := json.Marshal(h["_source"]); string(b) != `{"a":{"b":{"c":1,"d":"1"}},"t":true}` {
		t.Errorf("filtered: %s", b)
	}
}

func TestPagesHaveEveryHitOnce(t *testing.T) {
	s := serve(t)
	var b strings.Builder
	for i := range 500 {
		// Many share one time, as the lines of a burst do.
		fmt.Fprintf(&b, `{"create":{}}`+"\n"+`{"@timestamp":%q,"n":%d}`+"\n", epoch.Add(time.Duration(i/90)*time.Nanosecond).Format(time.RFC3339Nano), i)
	}
	s.ok(t, "POST", "/logs-burst-default/_bulk", b.String())
	s.store.Flush()
	for _, order := range []string{"asc", "desc"} {
		seen := map[float64]bool{}
		after := ""
		for range 100 {
			v := s.ok(t, "POST", "/logs-burst-default/_search", `{"size":37,"sort":[{"@timestamp":{"order":"`+order+`","format":"strict_date_optional_time_nanos"}},{"_doc":"`+order+`"}]`+after+`}`)
			list := v["hits"].(map[string]any)["hits"].([]any)
			if len(list) == 0 {
				break
			}
			for _, e := range list {
				n := e.(map[string]any)["_source"].(map[string]any)["n"].(float64)
				if seen[n] {
					t.Fatalf("%s: %v is on two pages", order, n)
				}
				seen[n] = true
			}
			last, _ := json.Marshal(list[len(list)-1].(map[string]any)["sort"])
			after = `,"search_after":` + string(last)
		}
		if len(seen) != 500 {
			t.Errorf("%s: %d of 500", order, len(seen))
		}
	}
	total := func(body string) string {
		b, _ := json.Marshal(s.ok(t, "POST", "/_search", body)["hits"].(map[string]any)["total"])
		return string(b)
	}
	for body, want := range map[string]string{
		`{"size":0,"track_total_hits":true}`:  `{"relation":"eq","value":500}`,
		`{"size":5,"track_total_hits":100}`:   `{"relation":"gte","value":100}`,
		`{"size":5,"track_total_hits":false}`: `null`,
		`{"from":490,"size":50}`:              `{"relation":"eq","value":500}`,
	} {
		if got := total(body); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestAggregations(t *testing.T) {
	s := serve(t)
	s.shop(t)
	ms := func(d time.Duration) string { return fmt.Sprint(epoch.Add(d).UnixMilli()) }
	for body, want := range map[string]string{
		`{"a":{"min":{"field":"took"}},"b":{"max":{"field":"took"}},"c":{"avg":{"field":"took"}},"d":{"sum":{"field":"took"}},"e":{"cardinality":{"field":"user.keyword"}},"f":{"value_count":{"field":"took"}}}`: `{"a":{"value":0.5},"b":{"value":11.5},"c":{"value":6},"d":{"value":72},"e":{"value":3},"f":{"value":12}}`,
		`{"p":{"percentiles":{"field":"took","percents":[50,100]}}}`:                                                   `{"p":{"values":{"100.0":11.5,"50.0":6.5}}}`,
		`{"s":{"stats":{"field":"nothing"}}}`:                                                                          `{"s":{"avg":null,"count":0,"max":null,"min":null,"sum":null}}`,
		`{"t":{"terms":{"field":"http.status"}}}`:                                                                      `{"t":{"buckets":[{"doc_count":9,"key":200},{"doc_count":3,"key":500}],"doc_count_error_upper_bound":0,"sum_other_doc_count":0}}`,
		`{"t":{"terms":{"field":"user.keyword","size":2,"order":{"m":"desc"}},"aggs":{"m":{"max":{"field":"took"}}}}}`: `{"t":{"buckets":[{"doc_count":4,"key":"user-2","m":{"value":11.5}},{"doc_count":4,"key":"user-1","m":{"value":10.5}}],"doc_count_error_upper_bound":0,"sum_other_doc_count":4}}`,
		`{"t":{"terms":{"field":"cached","order":{"_key":"asc"}}}}`:                                                    `{"t":{"buckets":[{"doc_count":6,"key":0,"key_as_string":"false"},{"doc_count":6,"key":1,"key_as_string":"true"}],"doc_count_error_upper_bound":0,"sum_other_doc_count":0}}`,
		`{"h":{"date_histogram":{"field":"@timestamp","fixed_interval":"20m","min_doc_count":"0","format":"epoch_millis","extended_bounds":{"min":` + ms(-25*time.Minute) + `,"max":` + ms(70*time.Minute) + `}}}}`: `{"h":{"buckets":[` +
			`{"doc_count":0,"key":` + ms(-40*time.Minute) + `,"key_as_string":"` + ms(-40*time.Minute) + `"},` +
			`{"doc_count":0,"key":` + ms(-20*time.Minute) + `,"key_as_string":"` + ms(-20*time.Minute) + `"},` +
			`{"doc_count":4,"key":` + ms(0) + `,"key_as_string":"` + ms(0) + `"},{"doc_count":4,"key":` + ms(20*time.Minute) + `,"key_as_string":"` + ms(20*time.Minute) + `"},` +
			`{"doc_count":4,"key":` + ms(40*time.Minute) + `,"key_as_string":"` + ms(40*time.Minute) + `"},{"doc_count":0,"key":` + ms(time.Hour) + `,"key_as_string":"` + ms(time.Hour) + `"}]}}`,
		`{"h":{"date_histogram":{"field":"@timestamp","calendar_interval":"1h","min_doc_count":1}}}`:                                                                                                                            `{"h":{"buckets":[{"doc_count":12,"key":` + ms(0) + `,"key_as_string":"` + epoch.Format("2006-01-02T15:04:05.000Z") + `"}]}}`,
		`{"h":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h","offset":"+10m","min_doc_count":1,"format":"epoch_millis"}}}`:                                                                                       `{"h":{"buckets":[{"doc_count":2,"key":` + ms(-50*time.Minute) + `,"key_as_string":"` + ms(-50*time.Minute) + `"},{"doc_count":10,"key":` + ms(10*time.Minute) + `,"key_as_string":"` + ms(10*time.Minute) + `"}]}}`,
		`{"h":{"histogram":{"field":"took","interval":5}}}`:                                                                                                                                                                     `{"h":{"buckets":[{"doc_count":5,"key":0},{"doc_count":5,"key":5},{"doc_count":2,"key":10}]}}`,
		`{"f":{"filters":{"filters":{"bad":{"term":{"level":"error"}},"all":{"match_all":{}}},"other_bucket_key":"rest"}}}`:                                                                                                     `{"f":{"buckets":{"all":{"doc_count":12},"bad":{"doc_count":3},"rest":{"doc_count":0}}}}`,
		`{"f":{"filter":{"term":{"level":"error"}},"aggs":{"u":{"cardinality":{"field":"user"}}}}}`:                                                                                                                             `{"f":{"doc_count":3,"u":{"value":3}}}`,
		`{"r":{"range":{"field":"took","ranges":[{"to":2},{"from":2,"to":4,"key":"mid"},{"from":4}]}}}`:                                                                                                                         `{"r":{"buckets":[{"doc_count":2,"key":"*-2.0","to":2},{"doc_count":2,"from":2,"key":"mid","to":4},{"doc_count":8,"from":4,"key":"4.0-*"}]}}`,
		`{"d":{"date_range":{"field":"@timestamp","format":"epoch_millis","ranges":[{"to":` + ms(11*time.Minute) + `,"key":"early"},{"from":` + ms(11*time.Minute) + `,"key":"late"}]},"aggs":{"m":{"max":{"field":"took"}}}}}`: `{"d":{"buckets":[{"doc_count":3,"key":"early","m":{"value":2.5},"to":` + figureText(epoch.Add(11*time.Minute)) + `},{"doc_count":9,"from":` + figureText(epoch.Add(11*time.Minute)) + `,"key":"late","m":{"value":11.5}}]}}`,
		`{"m":{"missing":{"field":"user"}}}`: `{"m":{"doc_count":0}}`,
		`{"l":{"terms":{"field":"level"},"aggs":{"h":{"date_histogram":{"field":"@timestamp","fixed_interval":"30m","min_doc_count":1,"format":"epoch_millis"},"aggs":{"a":{"avg":{"field":"took"}}}}}}}`: `{"l":{"buckets":[` +
			`{"doc_count":9,"h":{"buckets":[{"a":{"value":2.9},"doc_count":5,"key":` + ms(0) + `,"key_as_string":"` + ms(0) + `"},{"a":{"value":8.75},"doc_count":4,"key":` + ms(30*time.Minute) + `,"key_as_string":"` + ms(30*time.Minute) + `"}]},"key":"info"},` +
			`{"doc_count":3,"h":{"buckets":[{"a":{"value":3.5},"doc_count":1,"key":` + ms(0) + `,"key_as_string":"` + ms(0) + `"},{"a":{"value":9.5},"doc_count":2,"key":` + ms(30*time.Minute) + `,"key_as_string":"` + ms(30*time.Minute) + `"}]},"key":"error"}],"doc_count_error_upper_bound":0,"sum_other_doc_count":0}}`,
		`{"f":{"filters":{"filters":[{"term":{"level":"error"}}]},"aggs":{"t":{"terms":{"field":"user.keyword","size":1,"order":{"_key":"desc"}}}}}}`: `{"f":{"buckets":[{"doc_count":3,"t":{"buckets":[{"doc_count":1,"key":"user-2"}],"doc_count_error_upper_bound":0,"sum_other_doc_count":2}}]}}`,
	} {
		code, v := s.do(t, "POST", "/logs-shop-default/_search", `{"size":0,"aggs":`+body+`}`)
		got, _ := json.Marshal(v["aggregations"])
		if code != 200 || string(got) != want {
			t.Errorf("%s\n got %d %s %v\nwant %s", body, code, got, v["error"], want)
		}
	}
}

// figureText is a time as a bound of a bucket has it.
func figureText(t time.Time) string {
	b, _ := json.Marshal(float64(t.UnixMilli()))
	return string(b)
}

// TestPagesOfEqualNumbers: numbers that are equal and written differently are all found, once
// each, wherever a page ends.
func TestPagesOfEqualNumbers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var b strings.Builder
	for i, n := range []string{"7", "7.0", "7.00", "3", "9", "7", "70e-1", "9.0"} {
		fmt.Fprintf(&b, `{"create":{}}`+"\n"+`{"@timestamp":%q,"n":%s,"doc":"d%d"}`+"\n", epoch.Format(time.RFC3339), n, i)
	}
	s.ok(t, "POST", "/logs-numbers-default/_bulk", b.String())
	s.store.Flush()
	for _, order := range []string{"asc", "desc"} {
		for size := 1; size < 9; size++ {
			seen, after := map[string]int{}, ""
			for range 10 {
				v := s.ok(t, "POST", "/logs-numbers-default/_search", fmt.Sprintf(`{"size":%d,"sort":[{"n":%q},{"_doc":"asc"}]%s}`, size, order, after))
				hits := v["hits"].(map[string]any)["hits"].([]any)
				if len(hits) == 0 {
					break
				}
				for _, h := range hits {
					seen[h.(map[string]any)["_source"].(map[string]any)["doc"].(string)]++
				}
				last, err := json.Marshal(hits[len(hits)-1].(map[string]any)["sort"])
				if err != nil {
					t.Fatal(err)
				}
				after = `,"search_after":` + string(last)
			}
			for _, n := range seen {
				if n != 1 || len(seen) != 8 {
					t.Fatalf("%s, %d a page: %v", order, size, seen)
				}
			}
		}
	}
}
