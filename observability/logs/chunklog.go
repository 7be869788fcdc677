package logs

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// chunkLog keeps acknowledged chunks on disk until the store has flushed their
// rows. It is two files: new chunks go to the current one; Rotate makes it the
// previous one and drops that which was. A record is its length, its checksum
// and JSON; a torn last record was never acknowledged and is left out.
type chunkLog struct {
	dir string

	mu      sync.Mutex
	current *os.File
}

type chunk struct {
	ID   string
	Rows []Row
}

const (
	currentName  = "current"
	previousName = "previous"
)

// openChunkLog opens the log in dir and returns the chunks it holds.
func openChunkLog(dir string) (*chunkLog, []chunk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	var chunks []chunk
	for _, name := range []string{previousName, currentName} {
		more, err := readChunks(filepath.Join(dir, name))
		if err != nil {
			return nil, nil, err
		}
		chunks = append(chunks, more...)
	}
	l := &chunkLog{dir: dir}
	return l, chunks, l.open()
}

func readChunks(file string) ([]chunk, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var chunks []chunk
	for r := bufio.NewReader(f); ; {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return chunks, nil
		}
		size := binary.BigEndian.Uint32(head[:4])
		if size > 8*maxChunk {
			return chunks, nil
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(r, body); err != nil || crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(head[4:]) {
			return chunks, nil
		}
		var c chunk
		if err := json.Unmarshal(body, &c); err != nil {
			return nil, fmt.Errorf("chunk log %s: %w", file, err)
		}
		chunks = append(chunks, c)
	}
}

func (l *chunkLog) open() (err error) {
	l.current, err = os.OpenFile(filepath.Join(l.dir, currentName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	return err
}

// append returns when the chunk is on disk.
func (l *chunkLog) append(c chunk) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	record := make([]byte, 8, 8+len(body))
	binary.BigEndian.PutUint32(record, uint32(len(body)))
	binary.BigEndian.PutUint32(record[4:], crc32.ChecksumIEEE(body))
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.current.Write(append(record, body...)); err != nil {
		return err
	}
	return l.current.Sync()
}

// rotate drops the previous file and begins a new one. Two rotations, each
// after the store flushed, forget a chunk.
func (l *chunkLog) rotate() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if fi, err := l.current.Stat(); err != nil || fi.Size() == 0 {
		return errors.Join(err, ignoreMissing(os.Remove(filepath.Join(l.dir, previousName))))
	}
	if err := l.current.Close(); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(l.dir, currentName), filepath.Join(l.dir, previousName)); err != nil {
		return err
	}
	return l.open()
}

func (l *chunkLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current.Close()
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
