package runjob

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// stampBytes is what the record adds to each line: its time.
const stampBytes = 31

// limiter caps the log: what a script prints beyond it is dropped, and that is said once.
type limiter struct {
	mu   sync.Mutex
	out  io.Writer
	left int64
	max  int64
	full bool
}

func newLimiter(out io.Writer, limit int64) *limiter {
	return &limiter{out: out, left: limit, max: limit}
}

// Write never fails because of the limit.
func (l *limiter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return len(p), nil
	}
	cost := int64(len(p)) + stampBytes*int64(bytes.Count(p, []byte{'\n'}))
	if cost <= l.left {
		l.left -= cost
		return l.out.Write(p)
	}
	l.full = true
	part := p[:min(int64(len(p)), l.left)]
	if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
		part = part[:i+1]
	}
	_, err := l.out.Write(part)
	if err == nil {
		_, err = fmt.Fprintf(l.out, "\n\033[33;1mJob's log exceeded limit of %d bytes.\nJob execution will continue but no more output will be collected.\033[0;m\n", l.max)
	}
	return len(p), err
}

// last lets the few closing lines through after the limit.
func (l *limiter) last() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		l.full, l.left = false, 16<<10
	}
}

// section marks what f prints, so that viewers can fold it and show how long it took.
func (a *attempt) section(name, title string, f func() error) error {
	fmt.Fprintf(a.out, "section_start:%d:%s\r\033[0K\033[0K\033[36;1m%s\033[0;m\n", time.Now().Unix(), name, title)
	err := f()
	fmt.Fprintf(a.out, "section_end:%d:%s\r\033[0K", time.Now().Unix(), name)
	return err
}

func (a *attempt) warn(format string, args ...any) {
	fmt.Fprintf(a.out, "\033[33;1mWARNING: %s\033[0;m\n", strings.TrimSpace(fmt.Sprintf(format, args...)))
}
