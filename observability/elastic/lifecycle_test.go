package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slipway.dev/observability/logs"
)

const day = 24 * time.Hour

// aged writes a document of each age, in hours, to an index of a namespace.
func (s *server) aged(t *testing.T, namespace, index string, hours ...int) {
	t.Helper()
	var b strings.Builder
	for _, n := range hours {
		fmt.Fprintf(&b, `{"create":{"_index":%q}}`+"\n"+`{"@timestamp":%q,"namespace":%q,"age":%d}`+"\n", index,
			time.Now().Add(-time.Duration(n)*time.Hour).UTC().Format(time.RFC3339Nano), namespace, n)
	}
	if v := s.ok(t, "POST", "/_bulk", b.String()); v["errors"] != false {
		t.Fatalf("bulk: %v", v)
	}
	s.store.Flush()
}

// soon waits until each index has so many documents.
func (s *server) soon(t *testing.T, want map[string]int) {
	t.Helper()
	var got map[string]int
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		got = map[string]int{}
		s.store.Flush()
		for name := range want {
			code, v := s.do(t, "GET", "/_count?ignore_unavailable=true", `{"query":{"term":{"_index":"`+name+`"}}}`)
			if n, ok := v["count"].(float64); ok && code == 200 {
				got[name] = int(n)
			}
		}
		if reflect.DeepEqual(got, want) {
			return
		}
	}
	t.Fatalf("documents %v, want %v", got, want)
}

// TestILMDeletes has policies delete what they are for and nothing else, as time goes on.
func TestILMDeletes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.access = Access{User: "admin", Read: []string{"default", "blue"}, Write: []string{"default", "blue"}, Home: "default"}
	for path, body := range map[string]string{
		"/_ilm/policy/three-days": `{"policy":{"_meta":{"a":1},"phases":{"hot":{"actions":{"rollover":{"max_primary_shard_size":"50gb","max_age":"1d"},"set_priority":{"priority":100}}},
			"warm":{"min_age":"1d","actions":{"forcemerge":{"max_num_segments":1}}},"delete":{"min_age":"2d","actions":{"delete":{"delete_searchable_snapshot":true}}}}}}`,
		"/_ilm/policy/hours":              `{"policy":{"phases":{"delete":{"min_age":"6h","actions":{"delete":{}}}}}}`,
		"/_ilm/policy/never":              `{"policy":{"phases":{"hot":{"actions":{"rollover":{"max_size":"50gb","max_age":"30d"}}}}}}`,
		"/_component_template/three-days": `{"template":{"settings":{"index":{"lifecycle":{"name":"three-days"}}}}}`,
		"/_index_template/z-stream":       `{"index_patterns":["logs-stream-*"],"data_stream":{},"priority":500,"template":{"lifecycle":{"data_retention":"5d"}}}`,
		"/_index_template/hours":          `{"index_patterns":["logs-hours-*"],"data_stream":{},"priority":400,"template":{"settings":{"index.lifecycle.name":"hours"}}}`,
		"/_index_template/kept":           `{"index_patterns":["logs-kept-*"],"data_stream":{},"priority":300,"template":{"settings":{"lifecycle.name":"never"}}}`,
		"/_template/filebeat":             `{"index_patterns":["filebeat-*"],"order":1,"settings":{"index":{"lifecycle":{"name":"hours","rollover_alias":"filebeat"}}}}`,
		"/shop-index":                     `{"settings":{"index":{"lifecycle":{"name":"hours"}}}}`,
	} {
		s.ok(t, "PUT", path, body)
	}
	// After its component is there.
	s.ok(t, "PUT", "/_index_template/all", `{"index_patterns":["logs-*"],"data_stream":{},"composed_of":["three-days"],"priority":100}`)
	for _, index := range []string{"logs-app-default", "logs-stream-default", "logs-hours-default", "logs-kept-default", "filebeat-8", "shop-index", "other", logs.PodsIndex + "default", "logs-audit-default"} {
		s.aged(t, "default", index, 1, 12, 60, 108, 150, 300)
	}
	s.aged(t, "blue", "logs-blue-default", 1, 300)
	// Midnights are between what is asked for here.
	now := time.Now().UTC().Truncate(day)
	s.h.Enforce(t.Context(), now)
	old := func(age time.Duration) int {
		n := 0
		for _, h := range []int{1, 12, 60, 108, 150, 300} {
			if time.Now().Add(-time.Duration(h) * time.Hour).After(lifecycle{age: age}.cutoff(now)) {
				n++
			}
		}
		return n
	}
	want := map[string]int{
		"logs-app-default": old(3 * day), "logs-stream-default": old(5 * day), "logs-hours-default": old(6 * time.Hour), "logs-kept-default": 6, "filebeat-8": old(6 * time.Hour),
		"shop-index": old(6 * time.Hour), "other": 6, logs.PodsIndex + "default": 6, "logs-audit-default": 6, "logs-blue-default": 2,
	}
	s.soon(t, want)
	if want["logs-app-default"] == 6 || want["logs-hours-default"] >= want["logs-app-default"] || want["logs-stream-default"] <= want["logs-app-default"] {
		t.Fatalf("the test shows nothing: %v", want)
	}
	now = now.Add(2 * day)
	s.h.Enforce(t.Context(), now)
	for index, age := range map[string]time.Duration{"logs-app-default": 3 * day, "logs-stream-default": 5 * day, "logs-hours-default": 6 * time.Hour, "filebeat-8": 6 * time.Hour, "shop-index": 6 * time.Hour} {
		want[index] = old(age)
	}
	s.soon(t, want)

	entry := s.ok(t, "GET", "/logs-app-default/_ilm/explain", "")["indices"].(map[string]any)["logs-app-default"].(map[string]any)
	if entry["managed"] != true || entry["policy"] != "three-days" || !strings.Contains(fmt.Sprint(entry["step_info"]), "after 72h") {
		t.Errorf("explain: %v", entry)
	}
	if entry := s.ok(t, "GET", "/other/_ilm/explain", "")["indices"].(map[string]any)["other"].(map[string]any); entry["managed"] != false {
		t.Errorf("explain: %v", entry)
	}
	use, _ := json.Marshal(s.ok(t, "GET", "/_ilm/policy/hours", "")["hours"].(map[string]any)["in_use_by"])
	if want := `{"composable_templates":["hours"],"data_streams":["filebeat-8","logs-hours-default","shop-index"],"indices":["filebeat-8","logs-hours-default","shop-index"]}`; string(use) != want {
		t.Errorf("in use by %s", use)
	}
	if code, v := s.do(t, "DELETE", "/_ilm/policy/hours", ""); code != 400 || !strings.Contains(fmt.Sprint(v), "Cannot delete policy [hours]") {
		t.Errorf("a policy in use is deleted: %d %v", code, v)
	}
	stream := s.ok(t, "GET", "/_data_stream/logs-app-default", "")["data_streams"].([]any)[0].(map[string]any)
	if stream["ilm_policy"] != "three-days" {
		t.Errorf("data stream: %v", stream)
	}
}

// TestILMOutlivesARestart: what was begun, and the policy.
func TestILMOutlivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &server{access: own}
	stop := s.start(t, dir)
	s.ok(t, "PUT", "/_ilm/policy/p", `{"policy":{"phases":{"delete":{"min_age":"1d","actions":{"delete":{}}}}}}`)
	s.ok(t, "PUT", "/_index_template/p", `{"index_patterns":["logs-*"],"template":{"settings":{"index.lifecycle.name":"p"}}}`)
	s.aged(t, "default", "logs-x-default", 1, 40, 50)
	s.h.Enforce(t.Context(), time.Now())
	stop()
	stop = s.start(t, dir)
	s.soon(t, map[string]int{"logs-x-default": 1})
	stop()
	stop = s.start(t, dir)
	s.aged(t, "default", "logs-x-default", 60)
	s.h.Enforce(t.Context(), time.Now())
	s.soon(t, map[string]int{"logs-x-default": 1})
	stop()
}

// ticks is a store that has something to delete whenever it is asked.
type ticks struct{ asked []string }

func (*ticks) Refresh(context.Context) error { return nil }

func (k *ticks) Keep(string, []logs.Row) error { return nil }

func (k *ticks) Select(context.Context, logs.Selection, func([]logs.Field)) error { return nil }

func (k *ticks) Delete(_ context.Context, id string, sel logs.Selection) (bool, error) {
	_, before, _ := strings.Cut(sel.Text, "_time:<")
	k.asked = append(k.asked, id+" "+strings.Join(sel.Namespaces, ",")+" "+before)
	return true, nil
}

// TestILMRuns in its steps: in whole days where an age is counted in days.
func TestILMRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &ticks{}
		h, err := New(store, filepath.Join(t.TempDir(), "elastic.json"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []struct{ kind, body string }{
			{kindPolicy, `{"policy":{"phases":{"delete":{"min_age":"3d","actions":{"delete":{}}}}}}`},
			{kindTemplate, `{"index_patterns":["logs-*"],"template":{"settings":{"index.lifecycle.name":"p"}}}`},
		} {
			if err := h.objects.put(own, o.kind, "p", json.RawMessage(o.body)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = h.Run(ctx) }()
		time.Sleep(50 * time.Hour) // of the bubble, which begins at midnight
		cancel()
		synctest.Wait()
		want := []string{}
		for _, d := range []string{"1999-12-29", "1999-12-30", "1999-12-31"} {
			want = append(want, "lifecycle/default/index_template/p default "+d+"T00:00:00.000000000Z")
		}
		if !reflect.DeepEqual(store.asked, want) {
			t.Errorf("got %q", store.asked)
		}
	})
}

func TestILMRefusals(t *testing.T) {
	s := serve(t)
	phase := func(name, actions string) string {
		return `{"policy":{"phases":{"` + name + `":{"actions":{` + actions + `}}}}}`
	}
	for _, c := range []struct{ path, body, want string }{
		{"/_ilm/policy/p", phase("warm", `"shrink":{"number_of_shards":1}`), "lifecycle action [shrink] in phase [warm] of policy [p]"},
		{"/_ilm/policy/p", phase("cold", `"searchable_snapshot":{"snapshot_repository":"r"}`), "[searchable_snapshot]"},
		{"/_ilm/policy/p", phase("hot", `"downsample":{"fixed_interval":"1h"}`), "[downsample]"},
		{"/_ilm/policy/p", phase("warm", `"readonly":{}`), "[readonly]"},
		{"/_ilm/policy/p", phase("warm", `"allocate":{}`), "[allocate]"},
		{"/_ilm/policy/p", phase("delete", `"delete":{},"wait_for_snapshot":{"policy":"x"}`), "[wait_for_snapshot] in phase [delete]"},
		{"/_ilm/policy/p", `{"policy":{"phases":{"hot":{"actions":{"rollover":{"max_docs":1}}},"delete":{"actions":{"delete":{}}}}}}`, "give the delete phase a min_age"},
		{"/_ilm/policy/p", `{"policy":{"phases":{"hot":{"actions":{"rollover":{"max_moons":1}}}}}}`, "max_moons"},
		{"/_ilm/policy/p", `{"policy":{"phases":{"delete":{"min_age":"soon","actions":{"delete":{}}}}}}`, "failed to parse [soon] as a time"},
		{"/_ilm/policy/p", `{"policy":{"phases":{"delete":{"min_ages":"1d"}}}}`, "min_ages"},
		{"/_ilm/policy/p", `{"policy":{}}`, "want {"},
		{"/_ilm/policy/p", `[]`, "want an object"},
		{"/_index_template/t", `{"index_patterns":["x"],"template":{"lifecycle":{"data_retention":"some"}}}`, "failed to parse [some]"},
		{"/_index_template/t", `{"index_patterns":["x"],"template":{"lifecycle":{"downsampling":[]}}}`, "[downsampling]"},
	} {
		code, v := s.do(t, "PUT", c.path, c.body)
		if e, ok := v["error"].(map[string]any); code != 400 || !ok || !strings.Contains(fmt.Sprint(e["reason"]), c.want) || e["type"] == "" {
			t.Errorf("%s %s: %d %v, want %s", c.path, c.body, code, v, c.want)
		}
	}
	// What is longer than everything is kept is taken, and said.
	r, err := http.NewRequest("PUT", s.URL+"/elastic/_ilm/policy/long", strings.NewReader(`{"policy":{"phases":{"delete":{"min_age":"90d","actions":{"delete":{}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if w := resp.Header.Get("Warning"); resp.StatusCode != 200 || !strings.Contains(w, "299 Elasticsearch-"+Version+` "policy [long] keeps documents for 2160h0m0s; the log store keeps none longer than 336h0m0s"`) {
		t.Errorf("%d, warning %q", resp.StatusCode, w)
	}
}
