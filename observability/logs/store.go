package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"slipway.dev/cluster/disk"
)

const (
	flushInterval = 5 * time.Second
	logRetention  = 14 * 24 * time.Hour
	maxDiskUsage  = 8 << 30
	minFreeDisk   = disk.Logs
	// Retention is how long rows are kept, and how old a new one may be.
	Retention = logRetention
	// FutureRetention is how far ahead of the clock a row's time may be.
	FutureRetention = 48 * time.Hour

	// ChunkField and NumberField tell a row from every other: its chunk, and the how
	// manieth it is there.
	ChunkField, NumberField = "_chunk", "_n"
)

// Store is the searchable log store.
type Store struct {
	dir    string
	chunks *chunkLog
	log    *slog.Logger

	mu      sync.RWMutex // held to read while rows are added, to write while it closes
	storage *logstorage.Storage
	// adding is held to read from a chunk's way into the chunk log until its rows are added,
	// and to write while a day is dropped.
	adding  sync.RWMutex
	dropped droppedDays
	// recent are the chunks of the chunk log, so that one sent twice is stored once.
	recentMu sync.Mutex
	recent   [2]map[string]bool

	followers followers
	shown     shown
	places    chan struct{}
	// copies get every chunk as well.
	copies atomic.Pointer[[]*Spool]
}

// Copy gives every chunk that is kept from now on to a spool as well.
func (s *Store) Copy(to *Spool) { s.setCopies(func(all []*Spool) []*Spool { return append(all, to) }) }

// Uncopy ends what Copy began. A chunk that is being kept meanwhile may still come.
func (s *Store) Uncopy(to *Spool) {
	s.setCopies(func(all []*Spool) []*Spool { return slices.DeleteFunc(all, func(c *Spool) bool { return c == to }) })
}

func (s *Store) setCopies(change func([]*Spool) []*Spool) {
	for {
		old := s.copies.Load()
		var all []*Spool
		if old != nil {
			all = slices.Clone(*old)
		}
		all = change(all)
		if s.copies.CompareAndSwap(old, &all) {
			return
		}
	}
}

// OpenStore opens the store in dir and puts back what a crash left in its chunk log.
func OpenStore(dir string, log *slog.Logger) (*Store, error) { return openWith(dir, minFreeDisk, log) }

// openWith keeps so many bytes of the disk free.
func openWith(dir string, minFree uint64, log *slog.Logger) (*Store, error) {
	storage := logstorage.MustOpenStorage(filepath.Join(dir, "rows"), &logstorage.StorageConfig{
		Retention: logRetention, MaxBackfillAge: logRetention, FutureRetention: FutureRetention,
		FlushInterval: flushInterval, MaxDiskSpaceUsageBytes: maxDiskUsage, MinFreeDiskSpaceBytes: int64(minFree),
	})
	chunks, left, err := openChunkLog(filepath.Join(dir, "chunks"))
	if err != nil {
		storage.MustClose()
		return nil, fmt.Errorf("log store: %w", err)
	}
	s := &Store{dir: dir, chunks: chunks, log: log, storage: storage, places: make(chan struct{}, maxQueries), recent: [2]map[string]bool{{}, {}}}
	if s.dropped, err = readDropped(s.droppedFile()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.putBackAll(left); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// Keep stores the rows of a chunk and returns when they would survive a crash. Two
// chunks under one id are one chunk.
func (s *Store) Keep(id string, rows []Row) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.writable(); err != nil {
		return err
	}
	if id == "" {
		id = NewChunkID()
	}
	s.recentMu.Lock()
	known := s.recent[0][id] || s.recent[1][id]
	s.recentMu.Unlock()
	if known {
		return nil
	}
	// First the copies: what is acknowledged is in all of them, and a chunk that is sent
	// again after an error here may be copied twice.
	if copies := s.copies.Load(); copies != nil {
		for _, c := range *copies {
			if err := c.Put(id, rows); err != nil {
				return err
			}
		}
	}
	s.adding.RLock()
	defer s.adding.RUnlock()
	if err := s.chunks.append(chunk{ID: id, Rows: rows}); err != nil {
		return err
	}
	// Of two that race with one id, both are on disk, and one is added.
	s.recentMu.Lock()
	known = s.recent[0][id] || s.recent[1][id]
	s.recent[0][id] = true
	s.recentMu.Unlock()
	if known {
		return nil
	}
	s.add(chunk{ID: id, Rows: rows}, nil)
	s.followers.tell()
	return nil
}

// Receive is Keep for chunks that may have been sent before, longer ago than Keep knows.
func (s *Store) Receive(id string, rows []Row, again bool) error {
	if again && id != "" {
		there, err := s.has(id)
		if err != nil || there {
			return err
		}
	}
	return s.Keep(id, rows)
}

func (s *Store) has(id string) (bool, error) {
	found := false
	err := s.Select(context.Background(), Selection{Every: true, Urgent: true, Text: ChunkField + ":=" + Quote(id) + " | limit 1"}, func([]Field) { found = true })
	return found, err
}

// ErrFull is what Keep says of a disk without room; what was not kept may be sent again.
var ErrFull = errors.New("no room for log lines")

func (s *Store) writable() error {
	if s.storage == nil {
		return fmt.Errorf("log store: closed")
	}
	if s.storage.IsReadOnly() {
		return fmt.Errorf("log store: %w: less than %d MiB of disk are free; lines wait on the nodes until there are more", ErrFull, minFreeDisk>>20)
	}
	return nil
}

// add gives the store those rows of a chunk that want says yes to, by their number.
func (s *Store) add(c chunk, want func(number string, r Row) bool) {
	s.shown.add(c.Rows, func() { s.addRows(c, want) })
}

func (s *Store) addRows(c chunk, want func(number string, r Row) bool) {
	lr := logstorage.GetLogRows(nil, nil, nil, nil, "")
	defer logstorage.PutLogRows(lr)
	var fields []Field
	for i, r := range c.Rows {
		number := strconv.Itoa(i)
		if want != nil && !want(number, r) {
			continue
		}
		fields = append(append(fields[:0], r.Fields...), Field{Name: ChunkField, Value: c.ID}, Field{Name: NumberField, Value: number})
		lr.MustAdd(logstorage.TenantID{}, r.Time, fields, r.Stream)
		if lr.NeedFlush() {
			s.storage.MustAddRows(lr)
			lr.ResetKeepSettings()
		}
	}
	s.storage.MustAddRows(lr)
}

// Run forgets chunks once their rows are flushed, until ctx ends; then it
// closes the store.
func (s *Store) Run(ctx context.Context) error {
	// A row is on disk a second, one interval and the rest of another after it came, the names
	// of its stream two seconds and as much. A chunk stays for one to two periods.
	forget := time.NewTicker(3 * flushInterval)
	defer forget.Stop()
	room := time.NewTicker(2 * flushInterval)
	defer room.Stop()
	for {
		select {
		case <-forget.C:
			if err := s.chunks.rotate(); err != nil {
				return fmt.Errorf("chunk log: %w", err)
			}
			s.recentMu.Lock()
			s.recent = [2]map[string]bool{{}, s.recent[0]}
			s.recentMu.Unlock()
		case <-room.C:
			if err := s.makeRoom(); err != nil {
				s.log.Error("making room for lines", "err", err)
			}
		case <-ctx.Done():
			return s.close()
		}
	}
}

func (s *Store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storage.MustClose()
	s.storage = nil
	return s.chunks.close()
}

func (s *Store) run(ctx context.Context, q *logstorage.Query, block func(*logstorage.DataBlock)) error {
	rows, offset, limit := q.GetLastNResultsQuery()
	if rows == nil {
		return s.runAll(ctx, q, block)
	}
	n := newest{s: s, q: rows, want: int(offset + limit)}
	if err := n.run(ctx); err != nil {
		return err
	}
	n.each(int(offset), block)
	return nil
}

// runAll reads every row that a query's filter has. The library stops at the end of ctx
// without an error, with the rows until then or none: that is no answer.
func (s *Store) runAll(ctx context.Context, q *logstorage.Query, block func(*logstorage.DataBlock)) error {
	s.shown.index(s.storage.DebugFlush)
	var mu sync.Mutex
	var stats logstorage.QueryStats
	qctx := logstorage.NewQueryContext(ctx, &stats, []logstorage.TenantID{{}}, q, false, nil)
	err := s.storage.RunQuery(qctx, func(_ uint, b *logstorage.DataBlock) {
		mu.Lock()
		defer mu.Unlock()
		block(b)
	})
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("the search was ended before it was through: %w", context.Cause(ctx))
	}
	return tooLarge(err)
}

// Query asks for rows.
type Query struct {
	// Namespace confines the answer, whatever Text says.
	Namespace string
	// Text is LogsQL; empty means every row.
	Text       string
	Start, End time.Time
	// Limit is the most rows; the newest are kept. All of them are written where it is 0.
	Limit int
	// Follow goes on with rows as they come, until ctx ends.
	Follow bool
}

// Search writes matching rows to w as lines of JSON, oldest first.
func (s *Store) Search(ctx context.Context, w io.Writer, query Query) error {
	var f *follower
	shown := newSeen()
	if query.Follow {
		f = s.followers.add()
		defer s.followers.remove(f)
		if err := s.before(ctx, query, shown); err != nil {
			return err
		}
	} else if query.Limit == 0 {
		return s.all(ctx, w, query)
	}
	rows, err := s.search(ctx, query)
	if err != nil {
		return err
	}
	for _, r := range rows {
		shown.add(r)
		if _, err := w.Write(append(r.json, '\n')); err != nil {
			return err
		}
	}
	if f == nil {
		return nil
	}
	return f.follow(ctx, w, s, query, shown)
}

// ErrQuery is what Search says of a query that cannot be understood.
var ErrQuery = errors.New("query")

func parse(query Query) (*logstorage.Query, error) {
	text := query.Text
	if text == "" {
		text = "*"
	}
	if err := affordable(text); err != nil {
		return nil, err
	}
	q, err := logstorage.ParseQuery(text)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrQuery, query.Text, err)
	}
	if query.Follow && !q.CanLiveTail() {
		return nil, fmt.Errorf("%w %q: cannot be followed; leave its pipes out", ErrQuery, query.Text)
	}
	if err := confine(q, []string{query.Namespace}); err != nil {
		return nil, err
	}
	q.AddTimeFilter(query.Start.UnixNano(), query.End.UnixNano())
	if q.CanReturnLastNResults() {
		q.AddPipeSortByTimeDesc()
	}
	q.AddPipeOffsetLimit(0, uint64(query.Limit))
	return q, nil
}

// sliced refuses a query that cannot be answered span by span of its time.
func sliced(query Query) error {
	q, err := logstorage.ParseQuery(cmp.Or(query.Text, "*"))
	if err != nil {
		return fmt.Errorf("%w %q: %w", ErrQuery, query.Text, err)
	}
	if !q.CanLiveTail() {
		return fmt.Errorf("%w %q: its pipes want all lines at once; leave them out, or give a limit", ErrQuery, query.Text)
	}
	return nil
}

type found struct {
	at   time.Time
	json []byte
}

func timeOf(s string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}

func (s *Store) search(ctx context.Context, query Query) ([]found, error) {
	q, err := parse(query)
	if err != nil {
		return nil, err
	}
	done, err := s.place(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.storage == nil {
		return nil, fmt.Errorf("log store: closed")
	}
	var rows []found
	err = s.run(ctx, q, eachRow(func(fields []Field) { rows = append(rows, show(fields)) }))
	// As texts, times of different precision are out of order.
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].at.Before(rows[j].at) })
	return rows, err
}
