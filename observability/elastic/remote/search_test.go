package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/typedapi/core/search"

	"slipway.dev/observability/logs"
)

// around now, as tests write lines.
func within(namespace, text string) logs.Query {
	return logs.Query{Namespace: namespace, Text: text, Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Minute), Limit: 100}
}

func lines(t *testing.T, r *Remote, q logs.Query) []map[string]string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Search(t.Context(), &b, q); err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return decoded(t, &b)
}

func decoded(t *testing.T, b *bytes.Buffer) (rows []map[string]string) {
	for d := json.NewDecoder(b); ; {
		var row map[string]string
		if err := d.Decode(&row); errors.Is(err, io.EOF) {
			return rows
		} else if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
}

// reads what TestOwnAPI wrote: the 50 lines of rows, oldest first.
func reads(t *testing.T, r *Remote) {
	found := lines(t, r, within("default", "line"))
	if len(found) != 50 || found[0]["_msg"] != "line 0" || found[49]["_msg"] != "line 49" || found[0]["pod"] != "shop-1" || found[0]["_time"] == "" || found[0]["@timestamp"] != "" {
		t.Fatalf("%d lines: %v", len(found), found)
	}
	for text, n := range map[string]int{"": 50, `message:"line 7"`: 1, "pod:shop-1 AND NOT 7": 49, "absent": 0, `+pod:"shop-1" +(line)`: 50} {
		if got := lines(t, r, within("default", text)); len(got) != n {
			t.Errorf("%s: %d lines, want %d", text, len(got), n)
		}
	}
	q := within("default", "")
	if q.Limit = 3; len(lines(t, r, q)) != 3 || lines(t, r, q)[2]["_msg"] != "line 49" {
		t.Errorf("the newest three: %v", lines(t, r, q))
	}
	// Whatever is asked, only lines of the namespace come.
	for _, text := range []string{"", "*", `* OR namespace:default`, `namespace:default`, `pod:shop-1) OR (namespace:default`, `"}},{"match_all":{"`} {
		var b bytes.Buffer
		if err := r.Search(t.Context(), &b, within("other", text)); err != nil && !errors.Is(err, logs.ErrQuery) || b.Len() > 0 {
			t.Errorf("%s in another namespace: %s %v", text, b.String(), err)
		}
		if o, err := r.Overview(t.Context(), within("other", text)); err == nil && len(o.Facets) > 0 {
			t.Errorf("%s in another namespace: %v", text, o.Facets)
		}
	}
	if err := r.Search(t.Context(), io.Discard, within("default", "a:(b")); !errors.Is(err, logs.ErrQuery) || !strings.Contains(err.Error(), "Failed to parse query [a:(b]") {
		t.Errorf("a query that is wrong: %v", err)
	}
	q.Follow = true
	if err := r.Search(t.Context(), io.Discard, q); !errors.Is(err, logs.ErrQuery) {
		t.Errorf("followed: %v", err)
	}
	o, err := r.Overview(t.Context(), within("default", "line"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, b := range o.Buckets {
		n += b.Count
	}
	if n != 50 || len(o.Facets) != 2 || o.Facets[0].Field != "pod" || o.Facets[0].Values[0] != (logs.FacetValue{Value: "shop-1", Count: 50}) {
		t.Errorf("overview: %d lines, %v", n, o.Facets)
	}
	at, err := time.Parse(time.RFC3339Nano, found[20]["_time"])
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Context(t.Context(), &b, logs.Around{Namespace: "default", Pod: "shop-1", Container: "web", At: at, Before: 2, After: 3}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range decoded(t, &b) {
		got = append(got, row["_msg"])
	}
	if fmt.Sprint(got) != "[line 18 line 19 line 20 line 21 line 22 line 23]" {
		t.Errorf("context: %v", got)
	}
}

// published holds a body to the types that Elastic generates from its specification: all
// of it is in them.
func published(t *testing.T, body []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(body, into); err != nil {
		t.Errorf("%s: %v", body, err)
		return
	}
	back, err := json.Marshal(into)
	if err != nil {
		t.Error(err)
		return
	}
	var want, got any
	if err := errors.Join(json.Unmarshal(body, &want), json.Unmarshal(back, &got)); err != nil {
		t.Error(err)
		return
	}
	if lost := missing("", want, got); lost != "" {
		t.Errorf("not in the published types: %s\nof %s\nas %s", lost, body, back)
	}
}

// missing is a member that want has and got has not.
func missing(path string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for k, v := range w {
			if _, ok := g[k]; !ok {
				return path + "/" + k
			}
			if lost := missing(path+"/"+k, v, g[k]); lost != "" {
				return lost
			}
		}
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return path
		}
		for i := range w {
			if lost := missing(fmt.Sprintf("%s/%d", path, i), w[i], g[i]); lost != "" {
				return lost
			}
		}
	}
	return ""
}

// TestSearchesAreOfThePublishedContract: the bodies, and answers as Elasticsearch 8 and 9
// write them.
func TestSearchesAreOfThePublishedContract(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8")
		if r.Method != "POST" || r.URL.Path != "/slipway-logs-*/_search" || r.URL.Query().Get("ignore_unavailable") != "true" || r.URL.Query().Get("allow_no_indices") != "true" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		b, err := io.ReadAll(unpacked(t, r))
		if err != nil {
			t.Error(err)
		}
		published(t, b, new(search.Request))
		if !bytes.Contains(b, []byte(`{"term":{"namespace":{"value":"default"}}}`)) {
			t.Errorf("not confined: %s", b)
		}
		asked++
		switch {
		case bytes.Contains(b, []byte("wrong")):
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":{"root_cause":[{"type":"query_shard_exception","reason":"Failed to parse query [wrong(]","index_uuid":"x","index":".ds-slipway-logs-a"}],"type":"search_phase_execution_exception","reason":"all shards failed","phase":"query","grouped":true,"failed_shards":[]},"status":400}`)
		case bytes.Contains(b, []byte("forbidden")):
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":{"type":"security_exception","reason":"action [indices:data/read/search] is unauthorized"},"status":403}`)
		case bytes.Contains(b, []byte("late")):
			fmt.Fprint(w, `{"took":10000,"timed_out":true,"_shards":{"total":2,"successful":2,"skipped":0,"failed":0},"hits":{"max_score":null,"hits":[]}}`)
		case bytes.Contains(b, []byte("partly")):
			fmt.Fprint(w, `{"took":2,"timed_out":false,"_shards":{"total":2,"successful":1,"skipped":0,"failed":1,"failures":[{"shard":1,"index":".ds-slipway-logs-a","node":"n","reason":{"type":"circuit_breaking_exception","reason":"[parent] Data too large"}}]},"hits":{"max_score":null,"hits":[]}}`)
		case bytes.Contains(b, []byte(`"aggregations"`)):
			at := time.Now().Truncate(time.Minute).UnixMilli()
			fmt.Fprintf(w, `{"took":3,"timed_out":false,"_shards":{"total":2,"successful":2,"skipped":0,"failed":0},"hits":{"max_score":null,"hits":[]},"aggregations":{
				"time":{"buckets":[{"key_as_string":"x","key":%d,"doc_count":4}]},
				"pod":{"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[{"key":"shop-1","doc_count":3},{"key":"shop-2","doc_count":1}]},
				"run":{"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[]}}}`, at)
		default:
			fmt.Fprint(w, `{"took":2,"timed_out":false,"_shards":{"total":2,"successful":2,"skipped":0,"failed":0},"hits":{"max_score":null,"hits":[
				{"_index":".ds-slipway-logs-pods-default-2026.11.29-000002","_id":"c-1","_score":null,"_source":{"@timestamp":"2026-11-29T08:00:00.000000002Z","message":"later","namespace":"default"},"sort":["2026-11-29T08:00:00.000000002Z"]},
				{"_index":".ds-slipway-logs-pods-default-2026.11.29-000001","_id":"c-0","_score":null,"_source":{"@timestamp":"2026-11-29T08:00:00.000000001Z","message":"earlier","namespace":"default","http":{"status":200,"ok":true,"tags":["a"]},"none":null},"sort":["2026-11-29T08:00:00.000000001Z"]}]}}`)
		}
	}))
	defer srv.Close()
	r := &Remote{URL: srv.URL}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	got := lines(t, r, within("default", "pod:shop-1 AND line"))
	if len(got) != 2 || got[0]["_msg"] != "earlier" || got[0]["_time"] != "2026-11-29T08:00:00.000000001Z" || got[0]["http.status"] != "200" || got[0]["http.ok"] != "true" || got[0]["http.tags"] != `["a"]` || got[1]["_msg"] != "later" {
		t.Errorf("got %v", got)
	}
	o, err := r.Overview(t.Context(), within("default", ""))
	if err != nil || len(o.Facets) != 1 || len(o.Facets[0].Values) != 2 {
		t.Errorf("overview %+v %v", o, err)
	}
	if err := r.Context(t.Context(), io.Discard, logs.Around{Namespace: "default", Pod: "p", Container: "c", At: time.Now(), Before: 1, After: 1}); err != nil {
		t.Error(err)
	}
	if err := r.Search(t.Context(), io.Discard, within("default", "wrong(")); !errors.Is(err, logs.ErrQuery) || !strings.Contains(err.Error(), "says Failed to parse query [wrong(]") {
		t.Errorf("wrong: %v", err)
	}
	// A part of the lines is no answer, and none is no answer either.
	for text, want := range map[string]string{"late": "timed_out", "partly": "1 of 2 shards failed: [parent] Data too large"} {
		if err := r.Search(t.Context(), io.Discard, within("default", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := r.Overview(t.Context(), within("default", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := r.Search(t.Context(), io.Discard, within("default", "forbidden")); err == nil || errors.Is(err, logs.ErrQuery) || !strings.Contains(err.Error(), "403") {
		t.Errorf("forbidden: %v", err)
	}
	if asked != 10 {
		t.Errorf("asked %d times", asked)
	}
	if err := new(Remote).Search(t.Context(), io.Discard, within("default", "")); !errors.Is(err, logs.ErrQuery) || !strings.Contains(err.Error(), "no Elasticsearch is configured") {
		t.Errorf("none: %v", err)
	}
}
