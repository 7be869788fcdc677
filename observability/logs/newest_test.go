package logs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTheNewestRows are the same as those of an order of all rows, however dense the rows
// are where, and ahead of the clock too.
func TestTheNewestRows(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	now := time.Now()
	random := rand.New(rand.NewPCG(1, 2))
	var times []int64
	for _, part := range []struct {
		n    int
		from time.Duration // before now
		span time.Duration
	}{
		{3, -40 * time.Hour, 2 * time.Hour}, {500, 3 * time.Second, 100 * time.Millisecond}, {40, 10 * time.Minute, 0},
		{300, 2 * time.Hour, time.Hour}, {20, 5 * 24 * time.Hour, 24 * time.Hour}, {2, 13 * 24 * time.Hour, time.Hour},
	} {
		for range part.n {
			at := now.Add(-part.from)
			if part.span > 0 {
				at = at.Add(time.Duration(random.Int64N(int64(part.span))))
			}
			times = append(times, at.UnixNano())
		}
	}
	rows := make([]Row, len(times))
	for i, at := range times {
		rows[i] = NewRow(at, map[string]string{"namespace": "default", "pod": "p", "_msg": "line", "number": strconv.Itoa(i)})
	}
	for i := range 120 { // more than are kept of so large ones
		rows = append(rows, NewRow(now.Add(-time.Duration(i+1)*time.Minute).UnixNano(), map[string]string{"namespace": "large", "_msg": strings.Repeat("x", 1<<20) + strconv.Itoa(i)}))
	}
	if err := s.Keep("c", rows); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	slices.Sort(times)
	slices.Reverse(times)
	for _, offset := range []int{0, 2, 400} {
		for _, limit := range []int{1, 2, 3, 10, 100, 250, 499, 560, 864, 865, 2000} {
			for _, tail := range []string{"", " | fields _time, number"} {
				text := fmt.Sprintf("line | sort by (_time) desc offset %d limit %d%s", offset, limit, tail)
				var got []int64
				seen := map[string]bool{}
				err := s.Select(t.Context(), Selection{Namespaces: []string{"default"}, Text: text}, func(fields []Field) {
					r := dated(fields)
					got = append(got, r.at)
					for _, f := range r.fields {
						seen[f.Value] = seen[f.Value] || f.Name == "number"
					}
				})
				want := times[min(offset, len(times)):min(offset+limit, len(times))]
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("%s: %d rows, want %d, %v", text, len(got), len(want), err)
				}
				numbers := 0
				for _, number := range seen {
					if number {
						numbers++
					}
				}
				if numbers != len(want) {
					t.Errorf("%s: %d different rows of %d", text, numbers, len(want))
				}
			}
		}
	}
	for text, want := range map[string]int{
		"nothing | sort by (_time) desc limit 10":          0,
		"namespace:=large | sort by (_time) desc limit 39": 39,
		"* | sort by (_time) desc limit 41":                41,
	} {
		n := 0
		if err := s.Select(t.Context(), Selection{Every: true, Text: text}, func([]Field) { n++ }); err != nil || n != want {
			t.Errorf("%s: %d rows, want %d, %v", text, n, want, err)
		}
	}
	err := s.Select(t.Context(), Selection{Every: true, Text: "namespace:=large | sort by (_time) desc limit 110"}, func([]Field) {})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("110 rows of 1 MiB: %v", err)
	}
}
