package logs

import (
	"os"
	"path/filepath"
	"slices"
)

// makeRoom drops the oldest day when the disk is nearly full and there is more than one:
// new lines are worth more than those of two weeks ago. With one day left, lines wait
// where they are until somebody makes room.
func (s *Store) makeRoom() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.storage == nil || !s.storage.IsReadOnly() {
		return nil
	}
	return s.dropOldest()
}

func (s *Store) dropOldest() error {
	days := s.storage.PartitionList()
	if len(days) < 2 {
		return nil
	}
	oldest := slices.Min(days)
	// Nothing is added meanwhile: a row of that day would want the directory that goes.
	s.adding.Lock()
	defer s.adding.Unlock()
	if err := s.forget(oldest); err != nil {
		return err
	}
	if err := s.storage.PartitionDetach(oldest); err != nil {
		return err
	}
	s.shown.forget()
	s.log.Warn("the disk is nearly full: the lines of the oldest day are dropped", "day", oldest, "days left", len(days)-1)
	return os.RemoveAll(filepath.Join(s.dir, "rows", "partitions", oldest))
}
