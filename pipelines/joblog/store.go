package joblog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Attempt names one log.
type Attempt struct {
	Namespace, Run string
	// Job is its ID in the plan.
	Job    string
	Number int
}

// MaxBytes of one log; what comes after is counted but not kept. It is the last resort,
// above the limit that the runner itself keeps to.
const MaxBytes = 136 << 20

// sealed files can no longer be written; that is how they are known.
const (
	openMode   fs.FileMode = 0o600
	sealedMode fs.FileMode = 0o400
)

// Store has the files. All writers and readers of one directory share one Store.
type Store struct {
	dir string
	max int64

	mu     sync.Mutex
	change chan struct{} // closed and replaced at every write
}

// NewStore in dir.
func NewStore(dir string) *Store {
	return &Store{dir: dir, max: MaxBytes, change: make(chan struct{})}
}

var partRE = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,252}$`)

func (s *Store) path(a Attempt) (string, error) {
	for _, p := range []string{a.Namespace, a.Run, a.Job} {
		if !partRE.MatchString(p) {
			return "", fmt.Errorf("log of job %q: not a name", p)
		}
	}
	if a.Number < 1 {
		return "", fmt.Errorf("log of job %s: attempts count from 1", a.Job)
	}
	return filepath.Join(s.dir, a.Namespace, a.Run, a.Job+"-"+strconv.Itoa(a.Number)+".log"), nil
}

func (s *Store) changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change
}

func (s *Store) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.change)
	s.change = make(chan struct{})
}

// Sealed says whether the log is complete.
func (s *Store) Sealed(a Attempt) bool {
	p, err := s.path(a)
	if err != nil {
		return false
	}
	info, err := os.Stat(p)
	return err == nil && info.Mode().Perm() == sealedMode
}

// WaitSealed returns once the log is complete, or when ctx ends.
func (s *Store) WaitSealed(ctx context.Context, a Attempt) {
	for {
		changed := s.changed()
		if s.Sealed(a) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// Delete the logs of one run.
func (s *Store) Delete(namespace, run string) error {
	p, err := s.path(Attempt{Namespace: namespace, Run: run, Job: "x", Number: 1})
	if err != nil {
		return err
	}
	return os.RemoveAll(filepath.Dir(p))
}

// Open reads a log from its beginning, time stamps taken off. With follow it waits
// for the log to begin and for more until it is sealed or ctx ends; without, a log
// that is not there is fs.ErrNotExist.
func (s *Store) Open(ctx context.Context, a Attempt, follow bool) (io.ReadCloser, error) {
	p, err := s.path(a)
	if err != nil {
		return nil, err
	}
	for {
		changed := s.changed()
		f, err := os.Open(p)
		if err == nil {
			return &reader{ctx: ctx, store: s, file: f, follow: follow}, nil
		}
		if !follow || !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("log of job %s: %w", a.Job, err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

type reader struct {
	ctx    context.Context
	store  *Store
	file   *os.File
	follow bool
	raw    []byte // read and not yet stripped: the beginning of a line
	text   []byte // stripped and not yet given out
	within bool   // the next byte is not the first of its line
}

func (r *reader) Close() error { return r.file.Close() }

func (r *reader) Read(p []byte) (int, error) {
	for len(r.text) == 0 {
		changed := r.store.changed()
		info, err := r.file.Stat()
		if err != nil {
			return 0, err
		}
		buf := make([]byte, 32<<10)
		n, err := r.file.Read(buf)
		r.raw = append(r.raw, buf[:n]...)
		r.strip()
		if len(r.text) > 0 || n > 0 {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if !r.follow || info.Mode().Perm() == sealedMode {
			return 0, io.EOF
		}
		select {
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		case <-changed:
		}
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}

// maxStamp is how many bytes the beginning of a line has at least once its time stamp is whole.
const maxStamp = 64

// strip moves what is read to what may be given out, without time stamps.
func (r *reader) strip() {
	for len(r.raw) > 0 {
		piece := r.raw
		i := bytes.IndexByte(piece, '\n')
		if i >= 0 {
			piece = piece[:i+1]
		} else if !r.within && len(piece) < maxStamp {
			return
		}
		text := piece
		if !r.within {
			_, text = split(piece)
		}
		r.text = append(r.text, text...)
		r.raw, r.within = r.raw[len(piece):], i < 0
	}
}

// split a line into time stamp and text. A line without one is all text.
func split(line []byte) (time.Time, []byte) {
	if i := bytes.IndexByte(line, ' '); i > 0 {
		if t, err := time.Parse(time.RFC3339Nano, string(line[:i])); err == nil {
			return t, line[i+1:]
		}
	}
	return time.Time{}, line
}

// writer appends to one log.
type writer struct {
	store *Store
	file  *os.File
	path  string
	size  int64
	full  bool
	// last is the time stamp of the last line, and same how many lines have it.
	last time.Time
	same int
	// held lines are not in the file yet.
	held []byte
	// partial is how much of the last line there is while it is incomplete, and stamp its time.
	partial int64
	stamp   time.Time
}

// maxHeld is how much of a log that comes fast is written at once.
const maxHeld = 64 << 10

// errSealed says that there is nothing more to write.
var errSealed = errors.New("log is sealed")

// append opens a log for writing where it ends, cutting off a line that a crash left
// incomplete.
func (s *Store) append(a Attempt) (*writer, error) {
	p, err := s.path(a)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		return nil, err
	}
	if s.Sealed(a) {
		return nil, errSealed
	}
	f, err := os.OpenFile(p, os.O_RDWR|os.O_CREATE, openMode)
	if err != nil {
		return nil, err
	}
	w := &writer{store: s, file: f, path: p}
	if err := w.recover(); err != nil {
		f.Close()
		return nil, fmt.Errorf("log of job %s: %w", a.Job, err)
	}
	s.notify()
	return w, nil
}

func (w *writer) recover() error {
	r := bufio.NewReaderSize(w.file, maxHeld)
	for {
		piece, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if !errors.Is(err, io.EOF) {
				return err
			}
			break
		}
		w.size += int64(len(piece))
		w.seen(piece)
	}
	w.size -= w.partial
	w.partial = 0
	w.full = w.size >= w.store.max
	if err := w.file.Truncate(w.size); err != nil {
		return err
	}
	_, err := w.file.Seek(w.size, io.SeekStart)
	return err
}

// seen notes a piece of a line: the first has its time stamp, the last its newline.
func (w *writer) seen(piece []byte) {
	if w.partial == 0 {
		w.stamp, _ = split(piece)
	}
	w.partial += int64(len(piece))
	if len(piece) == 0 || piece[len(piece)-1] != '\n' {
		return
	}
	w.partial = 0
	if w.stamp.Equal(w.last) {
		w.same++
	} else if !w.stamp.IsZero() {
		w.last, w.same = w.stamp, 1
	}
}

// write appends a line, with its time stamp and newline, or the next piece of one. Flush
// brings it to the file.
func (w *writer) write(piece []byte) error {
	if w.full || len(piece) == 0 {
		return nil
	}
	if w.size+int64(len(piece)) > w.store.max {
		w.full = true
		at, end := w.last, ""
		if w.partial > 0 {
			at, end = w.stamp, "\n"
		}
		piece = fmt.Appendf(nil, "%s%s [the log is limited to %d bytes; what follows is not kept]\n", end, at.Format(time.RFC3339Nano), w.store.max)
	}
	w.held = append(w.held, piece...)
	w.size += int64(len(piece))
	w.seen(piece)
	if len(w.held) >= maxHeld {
		return w.flush()
	}
	return nil
}

// flush what is held to the file, for those who read it.
func (w *writer) flush() error {
	if len(w.held) == 0 {
		return nil
	}
	_, err := w.file.Write(w.held)
	w.held = w.held[:0]
	w.store.notify()
	return err
}

func (w *writer) close() error { return errors.Join(w.flush(), w.file.Close()) }

// end finishes a last line that the container did not, and seals.
func (w *writer) end() error {
	if w.partial > 0 {
		if err := w.write([]byte("\n")); err != nil {
			return err
		}
	}
	return w.seal()
}

// seal makes the log durable and complete.
func (w *writer) seal() error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	if err := w.file.Chmod(sealedMode); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(w.path))
	if err != nil {
		return err
	}
	defer d.Close()
	defer w.store.notify()
	return d.Sync()
}

// Seal ends a log that no container will add to, with a last line where text is not empty.
func (s *Store) Seal(a Attempt, text string) error {
	w, err := s.append(a)
	if errors.Is(err, errSealed) {
		return nil
	}
	if err != nil {
		return err
	}
	defer w.close()
	if text != "" {
		if err := w.write(fmt.Appendf(nil, "%s %s\n", time.Now().UTC().Format(time.RFC3339Nano), text)); err != nil {
			return err
		}
	}
	return w.seal()
}
