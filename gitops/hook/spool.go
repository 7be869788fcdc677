package hook

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Delivery is one webhook that was verified.
type Delivery struct {
	Namespace  string    `json:"namespace"`
	Repository string    `json:"repository"`
	ID         string    `json:"id"`
	Ref        string    `json:"ref,omitempty"`
	Received   time.Time `json:"received"`
}

func (d Delivery) key() string { return d.Namespace + "/" + d.Repository + "/" + d.ID }

// record is one line of the spool: a delivery, or the mark that it is done.
type record struct {
	Delivery *Delivery `json:"delivery,omitempty"`
	Done     string    `json:"done,omitempty"`
	// At is when a done delivery came, where its own record is gone.
	At *time.Time `json:"at,omitempty"`
}

const (
	// compactAt is the size at which the spool is written anew.
	compactAt = 8 << 20
	// remember is how long a delivery's id is known after it came.
	remember = 24 * time.Hour
	// maxRemembered bounds memory whatever is sent within that time.
	maxRemembered = 20_000
	// maxWaiting deliveries, after which more are refused.
	maxWaiting = 20_000
)

// ErrFull is returned while more deliveries wait than the spool takes.
var ErrFull = errors.New("webhook spool is full")

// Spool keeps deliveries from their acceptance until they are done, through any
// crash. Many that come at once share one fsync. One process owns it at a time.
type Spool struct {
	log  *slog.Logger
	path string

	mu      sync.Mutex
	file    *os.File
	size    int64
	known   map[string]time.Time // by key, also of those that are done
	waiting map[string]Delivery
	order   []string

	queue   chan entry
	arrived chan struct{}
	stop    chan struct{}
	ended   chan struct{}
	once    sync.Once
}

// entry is one line on its way to the disk.
type entry struct {
	record record
	line   []byte
	done   chan result
}

// result of an entry: fresh is false for a delivery that was known.
type result struct {
	fresh bool
	err   error
}

// Open reads the spool in dir, making it if needed. A line that a crash cut short
// was never acknowledged and is dropped.
func Open(dir string, log *slog.Logger) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("webhook spool: %w", err)
	}
	s := &Spool{
		log: log, path: filepath.Join(dir, "spool"), known: map[string]time.Time{}, waiting: map[string]Delivery{},
		queue: make(chan entry, 1024), arrived: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	raw, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("webhook spool: %w", err)
	}
	dropped := 0
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		r, err := decode(lines.Bytes())
		if err != nil {
			dropped++
			continue
		}
		s.remember(r)
	}
	if dropped > 0 {
		s.log.Warn("webhook spool: lines cut short by a crash were dropped", "lines", dropped)
	}
	if err := s.rewrite(); err != nil {
		return nil, fmt.Errorf("webhook spool: %w", err)
	}
	go s.write()
	return s, nil
}

// Close stops writing. Deliveries that wait stay in the spool.
func (s *Spool) Close() error {
	s.once.Do(func() { close(s.stop) })
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Close()
}

// Add returns when d is on disk; false means that it was there before.
func (s *Spool) Add(ctx context.Context, d Delivery) (bool, error) {
	s.mu.Lock()
	_, known := s.known[d.key()]
	full := len(s.waiting) >= maxWaiting
	s.mu.Unlock()
	switch {
	case known:
		return false, nil
	case full:
		return false, ErrFull
	}
	fresh, err := s.append(ctx, record{Delivery: &d})
	if err != nil {
		return false, err
	}
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	return fresh, nil
}

// Run hands every delivery to deliver until ctx ends, those of before a restart
// first. One that fails comes again after a pause; a delivery may so come twice.
func (s *Spool) Run(ctx context.Context, deliver func(context.Context, Delivery) error) error {
	pause := time.Duration(0)
	for {
		for _, d := range s.pending() {
			if ctx.Err() != nil {
				return nil
			}
			if err := deliver(ctx, d); err != nil {
				s.log.Warn("webhook not handled; trying again soon", "namespace", d.Namespace, "repository", d.Repository, "error", err)
				pause = min(max(2*pause, time.Second), time.Minute)
				break
			}
			pause = 0
			if _, err := s.append(context.WithoutCancel(ctx), record{Done: d.key()}); err != nil {
				s.log.Warn("webhook handled but not marked; it comes again after a restart", "error", err)
				s.mu.Lock()
				s.remember(record{Done: d.key()})
				s.mu.Unlock()
			}
		}
		var again <-chan time.Time
		if pause > 0 {
			again = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.arrived:
		case <-again:
		}
	}
}

func (s *Spool) pending() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Delivery, 0, len(s.waiting))
	left := s.order[:0]
	for _, k := range s.order {
		if d, ok := s.waiting[k]; ok {
			out, left = append(out, d), append(left, k)
		}
	}
	s.order = left
	return out
}

// remember applies one record to what is known and says whether it is a new
// delivery; the caller holds mu.
func (s *Spool) remember(r record) bool {
	if r.Delivery == nil {
		delete(s.waiting, r.Done)
		if r.At != nil {
			s.known[r.Done] = *r.At
		}
		return false
	}
	k := r.Delivery.key()
	if _, ok := s.known[k]; ok {
		return false
	}
	s.known[k] = r.Delivery.Received
	s.waiting[k] = *r.Delivery
	s.order = append(s.order, k)
	return true
}

// append returns when r is on disk and known.
func (s *Spool) append(ctx context.Context, r record) (fresh bool, err error) {
	line, err := encode(r)
	if err != nil {
		return false, err
	}
	e := entry{record: r, line: line, done: make(chan result, 1)}
	select {
	case s.queue <- e:
	case <-s.stop:
		return false, fmt.Errorf("webhook spool: %w", fs.ErrClosed)
	case <-ctx.Done():
		return false, ctx.Err()
	}
	select {
	case res := <-e.done:
		return res.fresh, res.err
	case <-s.ended:
		return false, fmt.Errorf("webhook spool: %w", fs.ErrClosed)
	}
}

// write is the only one that writes: it takes all that has come and syncs once.
func (s *Spool) write() {
	defer close(s.ended)
	for {
		var batch []entry
		select {
		case <-s.stop:
			return
		case e := <-s.queue:
			batch = append(batch, e)
		}
		for more := true; more && len(batch) < 1024; {
			select {
			case e := <-s.queue:
				batch = append(batch, e)
			default:
				more = false
			}
		}
		s.commit(batch)
	}
}

// commit makes a batch lasting, then known, then acknowledged.
func (s *Spool) commit(batch []entry) {
	var buf []byte
	for _, e := range batch {
		buf = append(buf, e.line...)
	}
	n, err := s.file.Write(buf)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		// What is not acknowledged must not come back: cut it off again.
		_ = s.file.Truncate(s.size)
		_, _ = s.file.Seek(s.size, 0)
		for _, e := range batch {
			e.done <- result{err: fmt.Errorf("webhook spool: %w", err)}
		}
		return
	}
	s.size += int64(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range batch {
		e.done <- result{fresh: s.remember(e.record)}
	}
	if s.size > compactAt {
		if err := s.rewrite(); err != nil {
			s.log.Warn("webhook spool not shortened", "error", err)
		}
	}
}

// encode writes a record as one line with its checksum in front.
func encode(r record) ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(body), body), nil
}

var errLine = errors.New("malformed line")

func decode(line []byte) (record, error) {
	var r record
	if len(line) < 10 || line[8] != ' ' || fmt.Sprintf("%08x", crc32.ChecksumIEEE(line[9:])) != string(line[:8]) {
		return r, errLine
	}
	if err := json.Unmarshal(line[9:], &r); err != nil || (r.Delivery == nil) == (r.Done == "") {
		return record{}, errLine
	}
	return r, nil
}
