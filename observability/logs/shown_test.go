package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

func keepLine(t *testing.T, s *Store, pod string, n int) {
	t.Helper()
	row := NewRow(time.Now().UnixNano(), map[string]string{"namespace": "default", "pod": pod, "container": "web", "_msg": fmt.Sprint("line ", n)})
	if err := s.Keep("", []Row{row}); err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsCountedIsFound: a stream's first rows are in every answer as soon as they are
// counted. The library knows a stream's names by a clock of its own: at some of these
// moments up to a second later.
func TestWhatIsCountedIsFound(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	keepLine(t, s, "first", 0)
	pods := []string{"first"}
	for i := range 5 {
		<-time.After(190 * time.Millisecond)
		pod := fmt.Sprint("shop-", i)
		keepLine(t, s, pod, i)
		pods = append(pods, pod)
	}
	rows := func(text string) (n int) {
		if err := s.Select(t.Context(), Selection{Every: true, Text: text}, func([]Field) { n++ }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "all rows", func() bool {
		counted := rows("* | stats by (pod) count() n")
		for _, text := range []string{"*", "* | sort by (_time) limit 100", "* | sort by (pod) desc limit 100", "* | sort by (_time) desc limit 100", `{namespace="default"}`} {
			if found := rows(text); found < counted {
				t.Fatalf("%s: found %d rows of %d that were counted", text, found, counted)
			}
		}
		return counted == len(pods)
	})
}

// TestASearchThatIsEndedIsNoAnswer: not even an empty one.
func TestASearchThatIsEndedIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	for i := range 10 {
		keepLine(t, s, "shop", i)
	}
	s.Flush()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("nobody waits")
	cancel(why)
	query := Query{Namespace: "default", Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Hour), Limit: 5}
	all, sorted := query, query
	all.Limit = 0
	sorted.Text = "* | sort by (pod) limit 5"
	selected := func(text string) func() error {
		return func() error {
			return s.run(ctx, mustParse(t, text), eachRow(func([]Field) {}))
		}
	}
	for name, search := range map[string]func() error{
		"rows": selected("*"), "count": selected("* | stats count() n"), "sorted": selected("* | sort by (pod) limit 5"), "newest": selected("* | sort by (_time) desc limit 5"),
		"search":   func() error { return s.Search(ctx, io.Discard, query) },
		"order":    func() error { return s.Search(ctx, io.Discard, sorted) },
		"export":   func() error { return s.Search(ctx, io.Discard, all) },
		"overview": func() error { _, err := s.Overview(ctx, query); return err },
		"context": func() error {
			return s.Context(ctx, io.Discard, Around{Namespace: "default", Pod: "shop", Container: "web", At: time.Now(), Before: 1, After: 1})
		},
	} {
		if err := search(); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Ended after the first row.
	ctx, cancel = context.WithCancelCause(t.Context())
	if err := s.run(ctx, mustParse(t, "*"), eachRow(func([]Field) { cancel(why) })); !errors.Is(err, why) {
		t.Errorf("ended in between: %v", err)
	}
}

func mustParse(t *testing.T, text string) *logstorage.Query {
	t.Helper()
	q, err := logstorage.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// lineWriter tells of each row that is written.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// TestTheOnlyLinesOfNewPodsAreFollowed: nothing comes after them that would have them looked
// for again.
func TestTheOnlyLinesOfNewPodsAreFollowed(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	keepLine(t, s, "first", 0) // the day is there
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	written, done := make(lineWriter, 10), make(chan error, 1)
	go func() {
		done <- s.Search(ctx, written, Query{Namespace: "default", Start: time.Now().Add(-time.Hour), End: time.Now(), Limit: 10, Follow: true})
	}()
	for i := range 3 {
		pod := fmt.Sprint("only-", i)
		eventually(t, "a follower", func() bool {
			s.followers.mu.Lock()
			defer s.followers.mu.Unlock()
			return len(s.followers.all) == 1
		})
		<-time.After(time.Duration(i) * 330 * time.Millisecond) // another moment of the library's clocks
		keepLine(t, s, pod, i)
		for end := time.After(2 * time.Minute); ; {
			select {
			case line := <-written:
				if !strings.Contains(line, pod) {
					continue
				}
			case <-end:
				t.Fatalf("the line of %s never comes", pod)
			}
			break
		}
	}
	cancel()
	<-done
}
