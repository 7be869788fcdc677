package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// numbered keeps rows i=0… of a chunk, a nanosecond apart, or all at once.
func numbered(t *testing.T, s *Store, chunk string, n int, from time.Time, step time.Duration) {
	t.Helper()
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = NewRow(from.Add(time.Duration(i)*step).UnixNano(), map[string]string{"namespace": "default", "pod": "p", "_msg": fmt.Sprintf("%s %d", chunk, i)})
	}
	if err := s.Keep(chunk, rows); err != nil {
		t.Fatal(err)
	}
}

func messages(t *testing.T, b []byte) []string {
	t.Helper()
	var all []string
	for line := range bytes.Lines(b) {
		var row map[string]string
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		all = append(all, row["_msg"])
	}
	return all
}

// TestEveryLine: an answer without a limit has all lines in their order, however they lie in
// time, and holds a window of them.
func TestEveryLine(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	now := time.Now()
	const n = 3*maxWindow + 7
	numbered(t, s, "dense", n, now.Add(-time.Hour), time.Microsecond)
	numbered(t, s, "sparse", 50, now.Add(-24*time.Hour), 20*time.Minute)
	s.Flush()
	most := 0
	var out bytes.Buffer
	query := Query{Namespace: "default", Text: "dense", Start: now.Add(-25 * time.Hour), End: now}
	if err := s.Search(t.Context(), writerFunc(func(b []byte) (int, error) { most = max(most, len(b)); return out.Write(b) }), query); err != nil {
		t.Fatal(err)
	}
	got := messages(t, out.Bytes())
	for i, m := range got {
		if m != fmt.Sprintf("dense %d", i) {
			t.Fatalf("line %d is %q", i, m)
		}
	}
	if len(got) != n || most > 1<<10 {
		t.Errorf("%d lines, want %d, at most %d bytes at a time", len(got), n, most)
	}
	out.Reset()
	query.Text = "sparse"
	if err := s.Search(t.Context(), &out, query); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, out.Bytes()); len(got) != 50 || got[49] != "sparse 49" {
		t.Errorf("%d sparse lines", len(got))
	}
	// A reader that goes away ends it; pipes that want all lines are refused.
	gone := errors.New("gone")
	if err := s.Search(t.Context(), writerFunc(func([]byte) (int, error) { return 0, gone }), query); !errors.Is(err, gone) {
		t.Errorf("a reader that is gone: %v", err)
	}
	query.Text = "* | stats count()"
	if err := s.Search(t.Context(), io.Discard, query); !errors.Is(err, ErrQuery) || !strings.Contains(err.Error(), "give a limit") {
		t.Errorf("with a pipe: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestFollowMissesNothing: who follows with a limit has all that comes, in bursts that are
// larger than it, also when it reads slowly.
func TestFollowMissesNothing(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	// What was there already is cut by the limit, and does not come after what is newer.
	numbered(t, s, "old", 100, time.Now().Add(-3*time.Second), time.Millisecond)
	s.Flush()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- s.Search(ctx, w, Query{Namespace: "default", Start: time.Now().Add(-time.Minute), End: time.Now(), Limit: 10, Follow: true})
		_ = w.Close()
	}()
	eventually(t, "it follows", func() bool {
		s.followers.mu.Lock()
		defer s.followers.mu.Unlock()
		return len(s.followers.all) == 1
	})
	const n, bursts = 3000, 3
	for b := range bursts {
		numbered(t, s, fmt.Sprintf("burst%d", b), n, time.Now(), time.Microsecond)
	}
	seen := map[string]int{}
	lines := json.NewDecoder(r)
	for len(seen) < n*bursts+10 {
		var row map[string]string
		if err := lines.Decode(&row); err != nil {
			t.Fatalf("after %d lines: %v", len(seen), err)
		}
		seen[row["_msg"]]++
	}
	for m, times := range seen {
		var i int
		if _, err := fmt.Sscanf(m, "old %d", &i); err == nil && i < 90 {
			t.Errorf("%s came, beyond the limit", m)
		}
		if times != 1 {
			t.Fatalf("%s came %d times", m, times)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
