package logs

import (
	"fmt"
	"testing"
	"time"
)

func TestTheOldestDayGoesFirst(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	var rows []Row
	for days := range 4 {
		rows = append(rows, NewRow(time.Now().AddDate(0, 0, -days).UnixNano(), map[string]string{"namespace": "default", "_msg": fmt.Sprintf("%d days ago", days)}))
	}
	if err := s.Keep("c1", rows); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	left := func() (n int) {
		if err := s.Select(t.Context(), Selection{Every: true, Text: "*"}, func([]Field) { n++ }); err != nil {
			t.Error(err)
		}
		return n
	}
	for want := 3; want >= 1; want-- {
		if err := s.dropOldest(); err != nil {
			t.Fatal(err)
		}
		if n := left(); n != want {
			t.Fatalf("%d rows are left, want %d", n, want)
		}
	}
	// The last day stays, and new lines are taken.
	if err := s.dropOldest(); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep("c2", rows[:1]); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	if n := left(); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}
