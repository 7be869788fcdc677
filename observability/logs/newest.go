package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

const (
	// firstWindow is how far back the newest rows are looked for to begin with; windows
	// grow fourfold while they have too few, and shrink to an eighth where they have too many.
	firstWindow = int64(time.Second)
	// maxAge is older than any row: the window that reaches it is the last one.
	maxAge = int64(logRetention + 48*time.Hour)
	// newestMemory is how many bytes of rows are kept, as many as the library does.
	newestMemory = Memory / 5
)

// newest answers a query for the newest rows. It looks through windows of time, from the
// end backwards, and stops where it has enough, while the library's own order by time
// reads all rows that match. A window's rows come unordered and are given up where they
// are more than is of use; one that cannot shrink is left to the library.
type newest struct {
	s    *Store
	q    *logstorage.Query
	want int
	rows []datedRow
	size int
}

type datedRow struct {
	at     int64
	size   int
	fields []Field
}

func (n *newest) run(ctx context.Context) error {
	start, end := n.q.GetFilterTimeRange()
	now := time.Now().UnixNano()
	width, to := firstWindow, end
	from := max(start, to-width+1)
	if now < end { // what is ahead of the clock, which the end of all time is far from
		from = max(start, now)
	}
	for {
		rows, all, err := n.window(ctx, from, to)
		if err != nil {
			return err
		}
		if !all && to-from > firstWindow {
			width = max(firstWindow, (to-from)/8)
			from = to - width + 1
			continue
		}
		if !all {
			if rows, err = n.ordered(ctx, from, to); err != nil {
				return err
			}
		}
		for _, r := range rows {
			n.size += r.size
		}
		if n.size > newestMemory {
			return fmt.Errorf("%w: the newest %d rows have more than %d MiB", ErrTooLarge, n.want, newestMemory>>20)
		}
		n.rows = append(n.rows, rows...)
		if len(n.rows) >= n.want || from <= start {
			break
		}
		to, width = from-1, width*4
		if from = max(start, to-width+1); from < now-maxAge {
			from = start
		}
	}
	slices.SortStableFunc(n.rows, func(a, b datedRow) int { return cmp.Compare(b.at, a.at) })
	n.rows = n.rows[:min(len(n.rows), n.want)]
	return nil
}

// window is the rows of a time, in no order; not all of them where they are too many.
func (n *newest) window(ctx context.Context, from, to int64) (rows []datedRow, all bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	most := 2 * (n.want - len(n.rows))
	q := n.q.CloneWithTimeFilter(n.q.GetTimestamp(), from, to)
	q.AddPipeOffsetLimit(0, uint64(most)+1)
	size := n.size
	err = n.s.runAll(ctx, q, eachRow(func(fields []Field) {
		if size > newestMemory {
			cancel()
			return
		}
		r := dated(fields)
		size += r.size
		rows = append(rows, r)
	}))
	if size > newestMemory {
		return nil, false, nil
	}
	return rows, len(rows) <= most, err
}

// ordered has the library find the newest rows of a time.
func (n *newest) ordered(ctx context.Context, from, to int64) (rows []datedRow, err error) {
	q := n.q.CloneWithTimeFilter(n.q.GetTimestamp(), from, to)
	q.AddPipeSortByTimeDesc()
	q.AddPipeOffsetLimit(0, uint64(n.want-len(n.rows)))
	err = n.s.runAll(ctx, q, eachRow(func(fields []Field) { rows = append(rows, dated(fields)) }))
	return rows, err
}

func dated(fields []Field) datedRow {
	r := datedRow{fields: make([]Field, len(fields))}
	for i, f := range fields {
		r.fields[i] = Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)}
		r.size += len(f.Name) + len(f.Value)
		if f.Name == "_time" {
			r.at = timeOf(f.Value).UnixNano()
		}
	}
	return r
}

// each gives the rows from a number on as blocks of one.
func (n *newest) each(from int, block func(*logstorage.DataBlock)) {
	var b logstorage.DataBlock
	var columns []logstorage.BlockColumn
	for _, r := range n.rows[min(from, len(n.rows)):] {
		columns = columns[:0]
		for _, f := range r.fields {
			columns = append(columns, logstorage.BlockColumn{Name: f.Name, Values: []string{f.Value}})
		}
		b.SetColumns(columns)
		block(&b)
	}
}
