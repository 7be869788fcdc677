package logs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// Selection is a query in LogsQL with its pipes, confined to namespaces.
type Selection struct {
	// Namespaces confine the answer, whatever Text says; none means no row at all.
	Namespaces []string
	// Every leaves the answer unconfined: for callers who may read every namespace.
	Every bool
	// Text is LogsQL.
	Text string
	// Urgent does not wait until fewer searches run: writing needs the answer.
	Urgent bool
	// Start and End bound the rows' times; zero is no bound.
	Start, End time.Time
}

// Select calls f with the fields of each row that the query has. Fields and what they
// point to are good until f returns; the strings that f keeps it must clone.
func (s *Store) Select(ctx context.Context, sel Selection, f func([]Field)) error {
	q, err := logstorage.ParseQuery(sel.Text)
	if err != nil {
		return fmt.Errorf("%w %q: %w", ErrQuery, sel.Text, err)
	}
	if !sel.Every {
		if err := confine(q, sel.Namespaces); err != nil {
			return err
		}
	}
	if !sel.Start.IsZero() && !sel.End.IsZero() {
		q.AddTimeFilter(sel.Start.UnixNano(), sel.End.UnixNano())
	}
	if !sel.Urgent {
		done, err := s.place(ctx)
		if err != nil {
			return err
		}
		defer done()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.storage == nil {
		return fmt.Errorf("log store: closed")
	}
	return s.run(ctx, q, eachRow(f))
}

// confine leaves a query the rows of namespaces only.
func confine(q *logstorage.Query, namespaces []string) error {
	f, err := logstorage.ParseFilter(within(namespaces))
	if err != nil {
		return err
	}
	q.AddExtraFilters(f)
	return nil
}

// within is the filter of namespaces; of none, nothing passes it.
func within(namespaces []string) string {
	quoted := make([]string, len(namespaces))
	for i, n := range namespaces {
		quoted[i] = Quote(n)
	}
	return "namespace:in(" + strings.Join(quoted, ",") + ")"
}

// Quote writes a text as one token of LogsQL.
func Quote(s string) string { return strconv.Quote(s) }

// Flush makes what was kept visible to searches at once. It is slow: for tests and tools.
func (s *Store) Flush() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.storage != nil {
		s.storage.DebugFlush()
	}
}

// Refresh returns when searches find what was kept before.
func (s *Store) Refresh(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.storage == nil {
		return fmt.Errorf("log store: closed")
	}
	return s.shown.everything(ctx, s.storage.DebugFlush)
}
