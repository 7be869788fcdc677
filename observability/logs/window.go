package logs

import (
	"context"
	"hash/maphash"
	"io"
	"time"
)

// maxWindow is how many rows are held at a time of an answer without a limit.
const maxWindow = 10_000

// windows finds all rows of a query, the oldest first, without holding more than a window of
// them: the time is gone through in spans that are halved where one has too many. What each
// is given it writes before the next span is looked at, so that a slow reader slows it down.
func (s *Store) windows(ctx context.Context, query Query, each func(found) error) error {
	query.Limit = maxWindow
	from, end, span := query.Start, query.End, query.End.Sub(query.Start)
	for from.Before(end) {
		to := from.Add(span)
		if to.After(end) {
			to = end
		}
		query.Start, query.End = from, to
		rows, err := s.search(ctx, query)
		if err != nil {
			return err
		}
		if len(rows) >= maxWindow && span > 1 {
			span = max(1, min(span, to.Sub(from))/2)
			continue
		}
		for _, r := range rows {
			if err := each(r); err != nil {
				return err
			}
		}
		from = to
		if len(rows) < maxWindow/4 {
			span = min(2*span, end.Sub(query.Start))
		}
	}
	return nil
}

// all writes every row of a query.
func (s *Store) all(ctx context.Context, w io.Writer, query Query) error {
	if err := sliced(query); err != nil {
		return err
	}
	return s.windows(ctx, query, func(r found) error {
		_, err := w.Write(append(r.json, '\n'))
		return err
	})
}

// seen are rows that were written, by their text's hash, until they are too old to come again.
type seen struct {
	seed maphash.Seed
	rows map[uint64]time.Time
}

func newSeen() *seen { return &seen{maphash.MakeSeed(), map[uint64]time.Time{}} }

// add says whether a row was there.
func (s *seen) add(r found) bool {
	h := maphash.Bytes(s.seed, r.json)
	_, there := s.rows[h]
	s.rows[h] = r.at
	return there
}

func (s *seen) forget(before time.Time) {
	for h, at := range s.rows {
		if at.Before(before) {
			delete(s.rows, h)
		}
	}
}
