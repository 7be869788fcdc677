package elastic

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway.dev/observability/logs"
)

// TestHostileSearches: what is made to cost much is refused by name or answered soon, and
// the store answers others afterwards.
func TestHostileSearches(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.shop(t)
	var b strings.Builder
	for i := range 400 {
		fmt.Fprintf(&b, `{"create":{}}`+"\n"+`{"@timestamp":%q,"message":"%s!","n":%d}`+"\n", epoch.Format(time.RFC3339), strings.Repeat("a", 2000), i)
	}
	s.ok(t, "POST", "/logs-long-default/_bulk", b.String())
	s.store.Flush()
	nested := func(open, inner, shut string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	regexp := func(re string) string {
		return fmt.Sprintf(`{"query":{"regexp":{"message":%q}}}`, re)
	}
	text := func(q string) string { return fmt.Sprintf(`{"query":{"query_string":{"query":%q}}}`, q) }
	aggs := func(kind string, n int) string {
		return `{"size":0` + nested(`,"aggs":{"a":{"`+kind+`":{"field":"n","size":65536}`, "", `}}`, n) + `}`
	}
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"a regexp that backtracks elsewhere":   {regexp(`(a+)+(a+)+(a+)+b`), 200, ""},
		"a regexp with alternatives":           {regexp(`(a|aa|aaa)*(a|aa)*b`), 200, ""},
		"a regexp that repeats repetitions":    {regexp(`((a{1000}){1000}){1000}`), 400, "regexp"},
		"a regexp that is deep":                {regexp(nested("(", "a", ")", 2000)), 400, ""},
		"a regexp that is long":                {regexp(strings.Repeat("(a|b)", 20_000)), 400, ""},
		"a wildcard of many stars":             {fmt.Sprintf(`{"query":{"wildcard":{"message":%q}}}`, strings.Repeat("*a", 900)), 400, "more than 1000 steps"},
		"a wildcard of some stars":             {fmt.Sprintf(`{"query":{"wildcard":{"message":%q}}}`, strings.Repeat("*a", 20)), 200, ""},
		"wildcards that are many together":     {`{"query":{"bool":{"should":[` + strings.TrimSuffix(strings.Repeat(`{"wildcard":{"message":"*a*b*c*"}},`, 500), ",") + `]}}}`, 400, "more than 1000 steps"},
		"a regexp that is wide":                {regexp(`(a?){500}(b?){500}`), 400, "more than 1000 steps"},
		"a wildcard that is long":              {fmt.Sprintf(`{"query":{"wildcard":{"message":%q}}}`, strings.Repeat("*a?", 100_000)), 400, ""},
		"a query string that is deep":          {text(nested("(", "a", ")", 5000)), 400, ""},
		"a query string of many words":         {text(strings.Repeat("word ", 5000)), 400, "16384"},
		"a query string of many negations":     {text(strings.Repeat("NOT ", 5000) + "a"), 400, ""},
		"a query string with a hostile regexp": {text(`message:/((a{999}){999}){999}/`), 400, ""},
		"a phrase of many words":               {fmt.Sprintf(`{"query":{"match_phrase":{"message":%q}}}`, strings.Repeat("a ", 50_000)), 400, "more than 256 words"},
		"a term of many words":                 {fmt.Sprintf(`{"query":{"term":{"message":%q}}}`, strings.Repeat("a ", 50_000)), 400, "more than 256 words"},
		"a beginning of many words":            {fmt.Sprintf(`{"query":{"prefix":{"message":%q}}}`, strings.Repeat("a ", 50_000)), 400, "more than 256 words"},
		"a phrase of some words":               {fmt.Sprintf(`{"query":{"match_phrase":{"message":%q}}}`, strings.Repeat("a ", 256)), 200, ""},
		"choices among clauses":                {`{"query":{"bool":{"minimum_should_match":15,"should":[` + strings.TrimSuffix(strings.Repeat(`{"term":{"a":"b"}},`, 30), ",") + `]}}}`, 400, "clauses"},
		"aggregations in aggregations":         {aggs("terms", 20), 400, "nested deeper than"},
		"aggregations beside one another": {`{"size":0,"aggs":{` + strings.TrimSuffix(func() (s string) {
			for i := range 200 {
				s += fmt.Sprintf(`"a%d":{"max":{"field":"n"}},`, i)
			}
			return
		}(), ",") + `}}`, 400, "at most 100"},
		"more buckets than may be": {`{"size":0,"aggs":{"h":{"histogram":{"field":"n","interval":0.001}}}}`, 400, "too_many_buckets_exception"},
		"terms beyond measure":     {`{"size":0,"aggs":{"a":{"terms":{"field":"n","size":1000000}}}}`, 400, "want 1 to"},
		"JSON that is deep":        {nested(`{"query":`, "{}", "}", 10_000), 400, ""},
		"an index of many names":   {"", 400, "names of indices"},
	} {
		path := "/_search"
		if c.body == "" {
			path = "/" + strings.Repeat("a,", 3000) + "/_search"
		}
		// What costs too much answers 504 after a minute, however busy the machine is; what is
		// refused takes no processor time of a search's.
		before := busy(t)
		code, v := s.do(t, "POST", path, c.body)
		if used := busy(t) - before; code != c.status || !strings.Contains(fmt.Sprint(v), c.want) || used > 10*time.Second {
			t.Errorf("%s: %d %.300v after %s of processor time, want %d %s", name, code, v, used, c.status, c.want)
		} else if code == 400 && v["error"].(map[string]any)["reason"] == "" {
			t.Errorf("%s: no reason", name)
		}
	}
	if n := s.ok(t, "GET", "/logs-shop-default/_count", "")["count"]; n != 12.0 {
		t.Errorf("afterwards: %v", n)
	}
}

// busy is the processor time that this process has used, which others do not lengthen.
func busy(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestMemoryOfASearch runs itself with a store that has little memory: the library knows
// one size a process.
func TestMemoryOfASearch(t *testing.T) {
	t.Parallel()
	const asChild = "SLIPWAY_TEST_LITTLE_MEMORY"
	if os.Getenv(asChild) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryOfASearch$", "-test.v", "-memory.allowedBytes=16MiB")
		cmd.Env = append(os.Environ(), asChild+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	s := serve(t)
	for part := range 2 {
		var b strings.Builder
		for i := range 60_000 {
			fmt.Fprintf(&b, `{"create":{}}`+"\n"+`{"@timestamp":%q,"key":"a-key-that-nobody-else-has-%d-%d"}`+"\n", epoch.Format(time.RFC3339), part, i)
		}
		s.ok(t, "POST", "/logs-many-default/_bulk", b.String())
	}
	s.store.Flush()
	for _, body := range []string{
		`{"size":0,"aggs":{"k":{"terms":{"field":"key.keyword","size":10}}}}`,
	} {
		code, v := s.do(t, "POST", "/logs-many-default/_search", body)
		if e, _ := v["error"].(map[string]any); code != 429 || e["type"] != "circuit_breaking_exception" || !strings.Contains(fmt.Sprint(e["reason"]), "needs too much memory") {
			t.Errorf("%s: %d %.500v", body, code, v)
		}
	}
	if n := s.ok(t, "GET", "/logs-many-default/_count", "")["count"]; n != 120_000.0 {
		t.Errorf("afterwards: %v", n)
	}
}

// full is a store on a disk without room.
type full struct{ Store }

func (full) Keep(string, []logs.Row) error { return fmt.Errorf("log store: %w", logs.ErrFull) }

// TestAFullDiskIsSaid to each document, so that clients send it again later.
func TestAFullDiskIsSaid(t *testing.T) {
	s := serve(t)
	store := s.h.Store
	s.h.Store = full{store}
	bulk := `{"create":{"_id":"a"}}` + "\n" + `{"x":1}` + "\n" + `{"delete":{"_id":"a"}}` + "\n"
	v := s.ok(t, "POST", "/logs-x-default/_bulk", bulk)
	if got := fmt.Sprint(v["items"]); v["errors"] != true || !strings.Contains(got, "status:429") || !strings.Contains(got, "cluster_block_exception") || !strings.Contains(got, "no room for log lines") || !strings.Contains(got, "action [delete]") {
		t.Errorf("bulk: %v", v)
	}
	if code, v := s.do(t, "POST", "/logs-x-default/_doc", `{"x":1}`); code != 429 {
		t.Errorf("doc: %d %v", code, v)
	}
	s.h.Store = store
	// Its id is not taken by the try that failed.
	if v := s.ok(t, "POST", "/logs-x-default/_bulk", `{"create":{"_id":"a"}}`+"\n"+`{"x":1}`+"\n"); v["errors"] != false {
		t.Errorf("sent again: %v", v)
	}
}
