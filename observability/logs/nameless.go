package logs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// The library writes rows and the names of their streams to disk by clocks of their own. A
// crash may leave rows whose stream it does not know any more: it counts them, and leaves
// them out of every answer that has all fields, until that stream has a new row, which a pod
// that is gone does not write. Their chunks are still in the chunk log: such rows are taken
// out, and the chunk is put back as a whole.

const (
	// unstoring begins the ids of deletions that take rows out to put them back.
	unstoring = "putback/"
	// unstoreFor is how long is waited for one.
	unstoreFor = time.Minute
	// batchOf chunks is asked about at a time.
	batchOf = 1000
)

// unstoreNameless takes out all rows of those chunks of which some have no names.
func (s *Store) unstoreNameless(left []chunk) error {
	// One that a crash interrupted must not take out what is put back below.
	tasks, err := s.storage.DeleteActiveTasks(context.Background())
	if err != nil {
		return fmt.Errorf("log store: %w", err)
	}
	for _, t := range tasks {
		if strings.HasPrefix(t.TaskID, unstoring) {
			if err := s.storage.DeleteStopTask(context.Background(), t.TaskID); err != nil {
				return fmt.Errorf("log store: %w", err)
			}
		}
	}
	for len(left) > 0 {
		n := min(len(left), batchOf)
		ids, err := s.nameless(left[:n])
		if err != nil {
			return err
		}
		if err := s.unstore(ids); err != nil {
			return err
		}
		left = left[n:]
	}
	return nil
}

func ofChunks(ids []string) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = Quote(id)
	}
	return ChunkField + ":in(" + strings.Join(quoted, ",") + ")"
}

// nameless are those chunks that have rows whose stream has no names.
func (s *Store) nameless(chunks []chunk) (some []string, err error) {
	ids := make([]string, len(chunks))
	for i, c := range chunks {
		ids[i] = c.ID
	}
	from, to := times(chunks...)
	if from > to { // they have no rows
		return nil, nil
	}
	count := func(by string) (map[string]int, error) {
		q, err := logstorage.ParseQuery(ofChunks(ids) + " | stats by (" + by + ") count() n")
		if err != nil {
			return nil, err
		}
		q.AddTimeFilter(from, to)
		counts := map[string]int{}
		err = s.run(context.Background(), q, eachRow(func(fields []Field) {
			id, n := "", 0
			for _, f := range fields {
				switch f.Name {
				case ChunkField:
					id = strings.Clone(f.Value)
				case "n":
					n, _ = strconv.Atoi(f.Value)
				}
			}
			counts[id] += n
		}))
		return counts, err
	}
	all, err := count(ChunkField)
	if err != nil {
		return nil, err
	}
	named, err := count(ChunkField + ", _stream")
	if err != nil {
		return nil, err
	}
	for id, n := range all {
		if named[id] < n {
			some = append(some, id)
		}
	}
	return some, nil
}

// unstore deletes chunks, and returns when they are gone.
func (s *Store) unstore(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	f, err := logstorage.ParseFilter(ofChunks(ids))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), unstoreFor)
	defer cancel()
	id := unstoring + ids[0]
	// Rows may be ahead of the clock.
	if err := s.storage.DeleteRunTask(ctx, id, time.Now().Add(FutureRetention).UnixNano(), []logstorage.TenantID{{}}, f); err != nil {
		return fmt.Errorf("log store: %w", err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		tasks, err := s.storage.DeleteActiveTasks(ctx)
		if err != nil {
			return fmt.Errorf("log store: %w", err)
		}
		there := false
		for _, t := range tasks {
			there = there || t.TaskID == id
		}
		if !there {
			s.log.Warn("rows that a crash left without the names of their stream are put back", "chunks", len(ids))
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			// They stay as they are: counted, and found once their stream has a new row.
			s.log.Error("rows that a crash left without the names of their stream cannot be taken out to be put back", "chunks", len(ids))
			return s.storage.DeleteStopTask(context.Background(), id)
		}
	}
}
