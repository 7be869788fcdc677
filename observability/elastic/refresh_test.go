package elastic

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestRefresh: who asks for it finds at once what was acknowledged, however many ask.
func TestRefresh(t *testing.T) {
	t.Parallel()
	s := serve(t)
	doc := func(n int) string {
		return fmt.Sprintf(`{"@timestamp":%q,"message":"row %d"}`, epoch.Format(time.RFC3339), n)
	}
	found := func(index string) int {
		return len(s.ok(t, "POST", "/"+index+"/_search", `{"size":100,"sort":[{"@timestamp":"asc"}]}`)["hits"].(map[string]any)["hits"].([]any))
	}
	for n, write := range []func(index string, n int){
		func(index string, n int) {
			s.ok(t, "POST", "/"+index+"/_bulk?refresh=true", `{"create":{}}`+"\n"+doc(n)+"\n")
		},
		func(index string, n int) {
			s.ok(t, "POST", "/_bulk?refresh", `{"create":{"_index":"`+index+`"}}`+"\n"+doc(n)+"\n")
		},
		func(index string, n int) {
			if code, v := s.do(t, "POST", "/"+index+"/_doc?refresh=wait_for", doc(n)); code != 201 {
				t.Errorf("%d %v", code, v)
			}
		},
		func(index string, n int) {
			s.ok(t, "POST", "/"+index+"/_bulk", `{"create":{}}`+"\n"+doc(n)+"\n")
			s.ok(t, "POST", "/"+index+"/_refresh", "")
		},
	} {
		index := fmt.Sprintf("logs-way%d-default", n)
		for i := range 3 { // the stream is new, and then it is known
			write(index, i)
			if got := found(index); got != i+1 {
				t.Errorf("way %d: found %d of %d", n, got, i+1)
			}
		}
	}
	var wg sync.WaitGroup
	for n := range 30 {
		wg.Go(func() {
			index := fmt.Sprintf("logs-many%d-default", n)
			s.ok(t, "POST", "/"+index+"/_bulk?refresh=true", `{"create":{}}`+"\n"+doc(n)+"\n")
			if got := found(index); got != 1 {
				t.Errorf("%s: found %d", index, got)
			}
		})
	}
	wg.Wait()
}
