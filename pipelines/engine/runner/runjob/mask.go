package runjob

import (
	"bytes"
	"io"
	"slices"
	"sync"
)

// masked stands for a secret in the log.
const masked = "[MASKED]"

// minMask is the shortest value that is masked; shorter ones would eat the log.
const minMask = 4

// Masker replaces secrets in a stream, also where one is split over several writes.
// It holds back only what could be the beginning of a secret.
type Masker struct {
	mu  sync.Mutex
	out io.Writer
	// secrets by their first byte, the longest first, so that no part of one stays
	// because a shorter one matched.
	secrets [256][][]byte
	// second says which second bytes follow a first one, to leave most of a log alone.
	second [256][256]bool
	any    bool
	held   []byte
}

// NewMasker writes to out what it is given without the secrets in any of their forms.
func NewMasker(out io.Writer, secrets [][]byte) *Masker {
	m := &Masker{out: out}
	var all [][]byte
	for _, s := range secrets {
		if len(s) >= minMask {
			all = append(all, forms(s)...)
		}
	}
	slices.SortFunc(all, func(a, b []byte) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return bytes.Compare(a, b)
	})
	for _, s := range slices.CompactFunc(all, bytes.Equal) {
		m.secrets[s[0]] = append(m.secrets[s[0]], s)
		m.second[s[0]][s[1]] = true
		m.any = true
	}
	return m
}

// Write takes all of p or fails.
func (m *Masker) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.any {
		return m.out.Write(p)
	}
	m.held = append(m.held, p...)
	if err := m.emit(false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what was held back; call it at the end of the stream.
func (m *Masker) Flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.emit(true)
}

func (m *Masker) emit(all bool) error {
	var b bytes.Buffer
	data := m.held
	start := 0 // of what is not yet in b
	i := 0
scan:
	for i < len(data) {
		list := m.secrets[data[i]]
		if list == nil || i+1 < len(data) && !m.second[data[i]][data[i+1]] {
			i++
			continue
		}
		rest := data[i:]
		for _, s := range list {
			if bytes.HasPrefix(rest, s) {
				b.Write(data[start:i])
				b.WriteString(masked)
				i += len(s)
				start = i
				continue scan
			}
			if !all && len(rest) < len(s) && bytes.HasPrefix(s, rest) {
				break scan
			}
		}
		i++
	}
	b.Write(data[start:i])
	m.held = append(m.held[:0], data[i:]...)
	if b.Len() == 0 {
		return nil
	}
	_, err := m.out.Write(b.Bytes())
	return err
}
