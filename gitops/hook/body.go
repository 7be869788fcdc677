package hook

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// MaxBody is the largest webhook that is taken. What comes before the signature is
	// known to be good is anybody's.
	MaxBody = 4 << 20
	// freeBody is how much of a body is read without asking for room.
	freeBody = 128 << 10
	// maxBodies is the room for the rest of all bodies that are read at one time.
	maxBodies = 64 << 20
	// bodyTime is how long a body may take; GitHub itself gives up after 10 seconds.
	bodyTime = 15 * time.Second
)

var (
	errTooLarge = errors.New("too large")
	errBusy     = errors.New("no room")
)

// budget is the memory that bodies may take together.
type budget struct {
	mu   sync.Mutex
	used int64
}

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n > maxBodies {
		return false
	}
	b.used += n
	return true
}

// read a body within its limits. Release gives its room back.
func (b *budget) read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	var held int64
	release = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.used -= held
	}
	if r.ContentLength > MaxBody {
		w.Header().Set("Connection", "close")
		return nil, release, errTooLarge
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // a test's writer has none
	limited := http.MaxBytesReader(w, r.Body, MaxBody)
	buf := make([]byte, 0, 8<<10)
	for {
		if len(buf) == cap(buf) {
			grow := int64(cap(buf))
			if int64(len(buf))+grow > freeBody {
				if !b.take(grow) {
					return nil, release, errBusy
				}
				held += grow
			}
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		n, err := limited.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		var large *http.MaxBytesError
		switch {
		case errors.Is(err, io.EOF):
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
			return buf, release, nil
		case errors.As(err, &large):
			return nil, release, errTooLarge
		case err != nil:
			return nil, release, err
		}
	}
}
