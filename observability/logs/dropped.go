package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"slipway.dev/cluster/atomicfile"
)

// droppedDays are the days that were dropped for room, with the first file of the chunk log
// that was begun since. Rows of such a day in an older file are gone on purpose; those in a
// newer one came afterwards, and were acknowledged.
type droppedDays map[string]int

// dayOf is the name of the partition that has a row.
func dayOf(r Row) string { return time.Unix(0, r.Time).UTC().Format("20060102") }

func (d droppedDays) has(r Row, file int) bool {
	if len(d) == 0 {
		return false
	}
	since, ok := d[dayOf(r)]
	return ok && file < since
}

func (s *Store) droppedFile() string { return filepath.Join(s.dir, "dropped.json") }

func readDropped(file string) (droppedDays, error) {
	d := droppedDays{}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("%s: %w; remove it, and lines of days that were dropped may come back", file, err)
	}
	return d, nil
}

// forget writes down that a day goes, and forgets the days of which the chunk log has
// nothing older any more.
func (s *Store) forget(day string) error {
	since, err := s.chunks.mark()
	if err != nil {
		return err
	}
	files, err := s.chunks.files()
	if err != nil {
		return err
	}
	now := droppedDays{day: since}
	for d, n := range s.dropped {
		if d != day && files[0] < n {
			now[d] = n
		}
	}
	b, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(s.droppedFile(), b, 0o600); err != nil {
		return err
	}
	s.dropped = now
	return nil
}
