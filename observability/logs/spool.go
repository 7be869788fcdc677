package logs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway.dev/cluster/atomicfile"
)

// Output is where chunks go besides the store: a Fluentd, an Elasticsearch.
type Output interface {
	// Send returns when the chunk is theirs. After an error it may or may not be: again
	// says that it was tried before. An error that is ErrRefused will be the same next time.
	Send(ctx context.Context, id string, rows []Row, again bool) error
	// Name is what it is called in messages.
	Name() string
}

// ErrRefused is what an Output says of a chunk that it never takes.
var ErrRefused = errors.New("refused")

// Spool keeps chunks on disk for an output until it has them, also for the hour that it
// is away. When that takes too much room the oldest go, and it says how many.
type Spool struct {
	dir string
	max int64
	log *slog.Logger

	mu     sync.Mutex
	out    Output
	queue  []spooled // oldest first
	bytes  int64
	number int
	// sending is the file that is on its way, state what became of those before it.
	sending string
	state   OutputState
	came    chan struct{}
	turned  chan struct{}
}

type spooled struct {
	name  string
	bytes int64
	rows  uint64
}

// OpenSpool opens the spool in dir with what it holds.
func OpenSpool(dir string, max int64, out Output, log *slog.Logger) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Spool{dir: dir, max: max, out: out, log: log, came: make(chan struct{}, 1), turned: make(chan struct{}, 1)}
	names, err := filepath.Glob(filepath.Join(dir, "*.chunk"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		fi, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		s.queue = append(s.queue, spooled{filepath.Base(name), fi.Size(), rowsOf(name)})
		s.bytes += fi.Size()
		_, _ = fmt.Sscanf(filepath.Base(name), "%d.chunk", &s.number)
	}
	return s, nil
}

// Put returns when the chunk is on disk.
func (s *Spool) Put(id string, rows []Row) error {
	b := appendChunk(nil, chunk{ID: id, Rows: rows})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	name := fmt.Sprintf("%012d.chunk", s.number)
	if err := atomicfile.Write(filepath.Join(s.dir, name), b, 0o600); err != nil {
		return fmt.Errorf("buffer for %s: %w", s.out.Name(), err)
	}
	s.queue = append(s.queue, spooled{name, int64(len(b)), uint64(len(rows))})
	s.bytes += int64(len(b))
	s.shrink()
	select {
	case s.came <- struct{}{}:
	default:
	}
	return nil
}

func (s *Spool) drop(i int) {
	if err := os.Remove(filepath.Join(s.dir, s.queue[i].name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("buffer", "of", s.out.Name(), "err", err)
	}
	s.bytes -= s.queue[i].bytes
	s.queue = slices.Delete(s.queue, i, i+1)
}

// Turn sends what waits, and what comes, to another output from now on.
func (s *Spool) Turn(to Output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = to
	select {
	case s.turned <- struct{}{}:
	default:
	}
}

// Retry what waits now, and not when its time has come.
func (s *Spool) Retry() { s.Turn(s.output()) }

func (s *Spool) output() Output {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out
}

// Waiting is how many chunks are not sent yet, and their bytes.
func (s *Spool) Waiting() (chunks int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue), s.bytes
}

const (
	firstWait = time.Second
	longWait  = time.Minute
)

// Run sends what comes until ctx ends.
func (s *Spool) Run(ctx context.Context) error {
	wait, again := firstWait, true
	for {
		name := s.oldest()
		if name == "" {
			select {
			case <-ctx.Done():
				return nil
			case <-s.came:
			}
			continue
		}
		err := s.sendFile(ctx, name, again)
		switch {
		case err == nil:
			wait, again = firstWait, false
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrRefused):
			s.log.Error("lines are refused and not sent again", "to", s.output().Name(), "err", err)
			s.forget(name)
			continue
		}
		s.log.Warn("lines wait", "to", s.output().Name(), "err", err, "again", wait)
		again = true
		select {
		case <-ctx.Done():
			return nil
		case <-s.turned:
			wait = firstWait
			continue
		case <-time.After(wait):
		}
		wait = min(2*wait, longWait)
	}
}

func (s *Spool) oldest() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return ""
	}
	s.sending = s.queue[0].name
	return s.sending
}

func (s *Spool) sendFile(ctx context.Context, name string, again bool) error {
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		s.forget(name)
		return nil
	}
	if err != nil {
		s.tried(0, err)
		return err
	}
	c, err := decodeChunk(b)
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrRefused, name, err)
		s.tried(uint64(len(c.Rows)), err)
		return err
	}
	err = s.output().Send(ctx, c.ID, c.Rows, again)
	if ctx.Err() != nil && err != nil {
		return err
	}
	s.tried(uint64(len(c.Rows)), err)
	if err != nil {
		return err
	}
	s.forget(name)
	return nil
}

func (s *Spool) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.queue, func(q spooled) bool { return q.name == name }); i >= 0 {
		s.drop(i)
	}
}

// Field names of rows as others know them.
func foreignName(name string) string {
	if name == "_msg" {
		return "message"
	}
	return name
}

// ownField says whether a field is of use to the store only.
func ownField(name string) bool {
	return strings.HasPrefix(name, "_") && name != "_msg"
}
