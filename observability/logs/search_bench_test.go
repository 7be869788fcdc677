package logs

import (
	"context"
	"testing"
	"time"
)

// BenchmarkSearch is searches over ten million lines, half a minute of them to begin with:
// a phrase that few lines have, a histogram of all,
// the most frequent values, and the newest.
func BenchmarkSearch(b *testing.B) {
	if testing.Short() {
		b.Skip("ten million lines")
	}
	s, _ := benchStore(b)
	const n, chunk = 10_000_000, 20_000
	for from := 0; from < n; from += chunk {
		if err := s.Keep("", benchRows(chunk, from)); err != nil {
			b.Fatal(err)
		}
	}
	s.Flush()
	for name, text := range map[string]string{
		"phrase":    `"cart/4711"`,
		"field":     `pod:="web-1" "200 in 31" | limit 100`,
		"histogram": `* | stats by (_time:1m) count() n`,
		"top":       `* | stats by (pod) count() n`,
		"status":    `* | stats by (status) count() n`,
		"newest":    `* | sort by (_time) desc limit 100`,
		"none":      `"no line has this" | sort by (_time) desc limit 100`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rows := 0
				sel := Selection{Namespaces: []string{"default"}, Text: text, Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Hour)}
				if err := s.Select(context.Background(), sel, func([]Field) { rows++ }); err != nil || rows == 0 && name != "none" {
					b.Fatalf("%d rows, %v", rows, err)
				}
			}
		})
	}
}
