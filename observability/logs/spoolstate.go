package logs

import (
	"encoding/binary"
	"errors"
	"os"
	"time"
)

// OutputState is how an output is doing, since the process began.
type OutputState struct {
	// Name is where it is.
	Name string
	// Chunks and Bytes wait on disk, at most Max bytes.
	Chunks     int
	Bytes, Max int64
	// Sent are the lines that it has, Dropped those that went as the buffer was full, and
	// Refused those that it will not have.
	Sent, Dropped, Refused uint64
	// Error is why lines wait, and Since since when; empty while none has to.
	Error string
	Since time.Time
}

// Outputs are how the spools are doing that the store copies to.
func (s *Store) Outputs() []OutputState {
	var all []OutputState
	if copies := s.copies.Load(); copies != nil {
		for _, c := range *copies {
			all = append(all, c.State())
		}
	}
	return all
}

// State is how the spool's output is doing.
func (s *Spool) State() OutputState {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Name, st.Chunks, st.Bytes, st.Max = s.out.Name(), len(s.queue), s.bytes, s.max
	return st
}

// shrink drops the oldest chunks while there are too many bytes; what is being sent and
// what came last stay.
func (s *Spool) shrink() {
	for s.bytes > s.max {
		i := 0
		if s.queue[0].name == s.sending {
			i = 1
		}
		if i >= len(s.queue)-1 {
			return
		}
		rows := s.queue[i].rows
		s.drop(i)
		if before := s.state.Dropped; before == 0 || before/10_000 != (before+rows)/10_000 {
			s.log.Warn("the buffer is full; the oldest lines are not sent", "to", s.out.Name(), "bytes", s.max, "lines", before+rows)
		}
		s.state.Dropped += rows
	}
}

// RefusedError is an ErrRefused of some of a chunk's lines.
type RefusedError struct {
	Lines int
	Err   error
}

func (e *RefusedError) Error() string { return ErrRefused.Error() + ": " + e.Err.Error() }

// Unwrap is ErrRefused.
func (e *RefusedError) Unwrap() error { return ErrRefused }

// tried notes what became of a chunk of so many lines.
func (s *Spool) tried(rows uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = ""
	refused := uint64(0)
	var some *RefusedError
	switch {
	case errors.As(err, &some):
		refused = min(uint64(some.Lines), rows)
	case errors.Is(err, ErrRefused):
		refused = rows
	case err != nil:
		if s.state.Error == "" {
			s.state.Since = time.Now()
		}
		s.state.Error = err.Error()
		return
	}
	s.state.Sent += rows - refused
	s.state.Refused += refused
	s.state.Error, s.state.Since = "", time.Time{}
}

// rowsOf is how many lines the file of a chunk has.
func rowsOf(path string) uint64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	head := make([]byte, 64<<10)
	n, _ := f.Read(head)
	d := decoder{b: head[:n]}
	d.text()
	rows, used := binary.Uvarint(d.b)
	if d.err != nil || used <= 0 {
		return 0
	}
	return rows
}
