package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"slipway.dev/cluster/disk"
)

const (
	flushInterval = 5 * time.Second
	logRetention  = 14 * 24 * time.Hour
	maxDiskUsage  = 8 << 30
	minFreeDisk   = disk.Logs
)

// streamFields tell one stream of lines from another.
var streamFields = []string{"namespace", "pod", "container"}

// Store is the searchable log store.
type Store struct {
	chunks *chunkLog
	log    *slog.Logger

	mu      sync.RWMutex // held to read while rows are added, to write while it closes
	storage *logstorage.Storage
	// recent are the chunks of the chunk log, so that one sent twice is stored once.
	recentMu sync.Mutex
	recent   [2]map[string]bool

	followers followers
}

// OpenStore opens the store in dir and puts back what a crash left in its chunk log.
func OpenStore(dir string, log *slog.Logger) (*Store, error) {
	storage := logstorage.MustOpenStorage(filepath.Join(dir, "rows"), &logstorage.StorageConfig{
		Retention: logRetention, MaxBackfillAge: logRetention, FutureRetention: 48 * time.Hour,
		FlushInterval: flushInterval, MaxDiskSpaceUsageBytes: maxDiskUsage, MinFreeDiskSpaceBytes: minFreeDisk,
	})
	chunks, left, err := openChunkLog(filepath.Join(dir, "chunks"))
	if err != nil {
		storage.MustClose()
		return nil, fmt.Errorf("log store: %w", err)
	}
	s := &Store{chunks: chunks, log: log, storage: storage, recent: [2]map[string]bool{{}, {}}}
	for _, c := range left {
		if n, err := s.rowsOfChunk(c.ID); err != nil || n > 0 {
			continue
		}
		if err := s.Keep(c.ID, c.Rows); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Keep stores the rows of a chunk and returns when they would survive a crash.
func (s *Store) Keep(id string, rows []Row) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.storage == nil {
		return fmt.Errorf("log store: closed")
	}
	if s.storage.IsReadOnly() {
		return fmt.Errorf("log store: less than %d MiB of disk are free; lines wait on the nodes until there are more", minFreeDisk>>20)
	}
	s.recentMu.Lock()
	known := id != "" && (s.recent[0][id] || s.recent[1][id])
	s.recentMu.Unlock()
	if known {
		return nil
	}
	if err := s.chunks.append(chunk{ID: id, Rows: rows}); err != nil {
		return err
	}
	s.add(id, rows)
	s.recentMu.Lock()
	s.recent[0][id] = true
	s.recentMu.Unlock()
	s.followers.tell()
	return nil
}

func (s *Store) add(id string, rows []Row) {
	lr := logstorage.GetLogRows(streamFields, nil, nil, nil, "")
	defer logstorage.PutLogRows(lr)
	var fields []logstorage.Field
	for _, r := range rows {
		fields = append(fields[:0], logstorage.Field{Name: "_chunk", Value: id})
		for name, v := range r.Fields {
			fields = append(fields, logstorage.Field{Name: name, Value: v})
		}
		lr.MustAdd(logstorage.TenantID{}, r.Time, fields, -1)
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
	// After two flush intervals a row is on disk.
	t := time.NewTicker(2 * flushInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := s.chunks.rotate(); err != nil {
				return fmt.Errorf("chunk log: %w", err)
			}
			s.recentMu.Lock()
			s.recent = [2]map[string]bool{{}, s.recent[0]}
			s.recentMu.Unlock()
		case <-ctx.Done():
			s.mu.Lock()
			defer s.mu.Unlock()
			s.storage.MustClose()
			s.storage = nil
			return s.chunks.close()
		}
	}
}

func (s *Store) rowsOfChunk(id string) (int, error) {
	var n int
	q, err := logstorage.ParseQuery(fmt.Sprintf("_chunk:=%q", id))
	if err != nil {
		return 0, err
	}
	err = s.run(context.Background(), q, func(b *logstorage.DataBlock) { n += b.RowsCount() })
	return n, err
}

func (s *Store) run(ctx context.Context, q *logstorage.Query, block func(*logstorage.DataBlock)) error {
	var mu sync.Mutex
	var stats logstorage.QueryStats
	qctx := logstorage.NewQueryContext(ctx, &stats, []logstorage.TenantID{{}}, q, false, nil)
	return s.storage.RunQuery(qctx, func(_ uint, b *logstorage.DataBlock) {
		mu.Lock()
		defer mu.Unlock()
		block(b)
	})
}

// Query asks for rows.
type Query struct {
	// Namespace confines the answer, whatever Text says.
	Namespace string
	// Text is LogsQL; empty means every row.
	Text       string
	Start, End time.Time
	// Limit is the most rows; the newest are kept.
	Limit int
	// Follow goes on with rows as they come, until ctx ends.
	Follow bool
}

// Search writes matching rows to w as lines of JSON, oldest first.
func (s *Store) Search(ctx context.Context, w io.Writer, query Query) error {
	var f *follower
	if query.Follow {
		f = s.followers.add()
		defer s.followers.remove(f)
	}
	rows, err := s.search(ctx, query)
	if err != nil {
		return err
	}
	shown := make(map[string]bool, len(rows))
	for _, r := range rows {
		shown[string(r.json)] = true
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
	q, err := logstorage.ParseQuery(text)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrQuery, query.Text, err)
	}
	if query.Follow && !q.CanLiveTail() {
		return nil, fmt.Errorf("%w %q: cannot be followed; leave its pipes out", ErrQuery, query.Text)
	}
	confine, err := logstorage.ParseFilter(fmt.Sprintf("namespace:=%q", query.Namespace))
	if err != nil {
		return nil, err
	}
	q.AddExtraFilters(confine)
	q.AddTimeFilter(query.Start.UnixNano(), query.End.UnixNano())
	if q.CanReturnLastNResults() {
		q.AddPipeSortByTimeDesc()
	}
	q.AddPipeOffsetLimit(0, uint64(query.Limit))
	return q, nil
}

type found struct {
	time string
	json []byte
}

func (s *Store) search(ctx context.Context, query Query) ([]found, error) {
	q, err := parse(query)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.storage == nil {
		return nil, fmt.Errorf("log store: closed")
	}
	var rows []found
	var fields []logstorage.Field
	err = s.run(ctx, q, func(b *logstorage.DataBlock) {
		columns := b.GetColumns(false)
		for i := range b.RowsCount() {
			fields = fields[:0]
			at := ""
			for _, c := range columns {
				switch {
				case c.Name == "_time":
					at = c.Values[i]
				case c.Name == "_chunk" || c.Name == "_stream" || c.Name == "_stream_id" || c.Values[i] == "":
					continue
				}
				fields = append(fields, logstorage.Field{Name: c.Name, Value: c.Values[i]})
			}
			rows = append(rows, found{at, logstorage.MarshalFieldsToJSON(nil, fields)})
		}
	})
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].time < rows[j].time })
	return rows, err
}
