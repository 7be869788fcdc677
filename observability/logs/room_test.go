package logs

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// TestADroppedDayStaysAway: what was dropped is still in the chunk log when the store is
// killed, and does not come back; a late line of that day that came afterwards does.
func TestADroppedDayStaysAway(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	row := func(days int, line string) Row {
		return NewRow(time.Now().AddDate(0, 0, -days).UnixNano(), map[string]string{"namespace": "default", "_msg": line})
	}
	for _, c := range []struct {
		id   string
		rows []Row
	}{{"both", []Row{row(2, "dropped"), row(0, "kept")}}, {"old", []Row{row(2, "dropped too")}}} {
		if err := s.Keep(c.id, c.rows); err != nil {
			t.Fatal(err)
		}
	}
	s.Flush()
	if err := s.dropOldest(); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep("late", []Row{row(2, "late")}); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	lines := func(s *Store) string {
		var all []string
		s.Flush()
		if err := s.Select(t.Context(), Selection{Every: true, Text: "*"}, func(fields []Field) {
			for _, f := range fields {
				if f.Name == "_msg" {
					all = append(all, strings.Clone(f.Value))
				}
			}
		}); err != nil {
			t.Error(err)
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	for range 3 {
		if got, want := lines(s), "kept, late"; got != want {
			t.Fatalf("there are %q, want %q", got, want)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, dir)
	}
	// Once the chunk log has nothing older any more, the next drop forgets the day.
	for range 3 {
		if err := s.chunks.append(chunk{ID: NewChunkID(), Rows: []Row{row(0, "x")}}); err != nil {
			t.Fatal(err)
		}
		if err := s.chunks.rotate(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.dropOldest(); err != nil {
		t.Fatal(err)
	}
	if len(s.dropped) != 1 {
		t.Errorf("dropped days are remembered for ever: %v", s.dropped)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

// TestAFullDisk: the oldest day goes, what comes is refused and says why, and when there
// is room again it is sent again and is there once.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	at := func(days int) int64 { return time.Now().AddDate(0, 0, -days).UnixNano() }
	row := func(days int, line string) []Row {
		return []Row{NewRow(at(days), map[string]string{"namespace": "default", "_msg": line})}
	}
	said := func(s *Store) string {
		var all []string
		s.Flush()
		err := s.Select(t.Context(), Selection{Every: true, Text: "*"}, func(fields []Field) {
			for _, f := range fields {
				if f.Name == "_msg" {
					all = append(all, strings.Clone(f.Value))
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
		slices.Sort(all)
		return fmt.Sprint(all)
	}
	s := openStore(t, dir)
	stop := runStore(t, s)
	for days := range 3 {
		if err := s.Keep("day"+strconv.Itoa(days), row(days, "old")); err != nil {
			t.Fatal(err)
		}
	}
	s.Flush()
	stop()

	s, err := openWith(dir, 1<<62, quiet())
	if err != nil {
		t.Fatal(err)
	}
	stop = runStore(t, s)
	if err := s.Keep("new", row(0, "new")); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "lines wait on the nodes") {
		t.Errorf("kept on a full disk: %v", err)
	}
	host, port := input(t, s, Input{})
	there := &Fluent{Address: net.JoinHostPort(host, strconv.Itoa(port))}
	if err := there.Open(); err != nil {
		t.Fatal(err)
	}
	spool, err := OpenSpool(filepath.Join(t.TempDir(), "spool"), 1<<20, there, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer runSpool(t, spool)()
	if err := spool.Put("sent", row(0, "sent")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a sender knows that its chunk is not kept", func() bool { st := spool.State(); return st.Error != "" && st.Chunks == 1 })
	for range 4 {
		if err := s.makeRoom(); err != nil {
			t.Fatal(err)
		}
	}
	if got := said(s); got != "[old]" {
		t.Errorf("of three days %s is left, want the newest", got)
	}
	stop()

	s = openStore(t, dir)
	defer runStore(t, s)()
	if err := s.Keep("new", row(0, "new")); err != nil {
		t.Fatal(err)
	}
	host, port = input(t, s, Input{})
	again := &Fluent{Address: net.JoinHostPort(host, strconv.Itoa(port))}
	if err := again.Open(); err != nil {
		t.Fatal(err)
	}
	spool.Turn(again)
	eventually(t, "the chunk is sent again", func() bool { return spool.State().Chunks == 0 })
	eventually(t, "each line is there once", func() bool { return said(s) == "[new old sent]" })
}
