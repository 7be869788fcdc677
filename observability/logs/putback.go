package logs

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// putBackAll puts back what a crash left in the chunk log.
func (s *Store) putBackAll(left []chunk) error {
	if err := s.unstoreNameless(left); err != nil {
		return err
	}
	for _, c := range left {
		if err := s.putBack(c); err != nil {
			return err
		}
	}
	return nil
}

// putBack adds the rows of a chunk that a crash left in the chunk log and not in the
// store. A crash may fall between two parts of a chunk, so rows are told by their number.
// Those of a day that was dropped since then stay away.
func (s *Store) putBack(c chunk) error {
	if len(c.Rows) == 0 {
		return nil
	}
	q, err := logstorage.ParseQuery(fmt.Sprintf("%s:=%s | fields %s", ChunkField, Quote(c.ID), NumberField))
	if err != nil {
		return err
	}
	from, to := times(c)
	q.AddTimeFilter(from, to) // a chunk's rows are of seconds, and the store has two weeks
	there := map[string]bool{}
	err = s.run(context.Background(), q, eachRow(func(fields []Field) {
		for _, f := range fields {
			there[strings.Clone(f.Value)] = true
		}
	}))
	if err != nil {
		return err
	}
	s.add(c, func(number string, r Row) bool { return !there[number] && !s.dropped.has(r, c.file) })
	s.recent[0][c.ID] = true
	return nil
}

// times are the first and the last of the rows of chunks.
func times(chunks ...chunk) (from, to int64) {
	from, to = math.MaxInt64, math.MinInt64
	for _, c := range chunks {
		for _, r := range c.Rows {
			from, to = min(from, r.Time), max(to, r.Time)
		}
	}
	return from, to
}

// eachRow calls f with the fields of each row of a block; they are good until it returns.
func eachRow(f func([]Field)) func(*logstorage.DataBlock) {
	var fields []Field
	return func(b *logstorage.DataBlock) {
		columns := b.GetColumns(false)
		for i := range b.RowsCount() {
			fields = fields[:0]
			for _, c := range columns {
				if v := c.Values[i]; v != "" {
					fields = append(fields, Field{Name: c.Name, Value: v})
				}
			}
			f(fields)
		}
	}
}
