package logs

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// chunkLog keeps acknowledged chunks on disk until the store has flushed their rows. New
// chunks go to the newest file; rotate begins another and drops all but the two newest.
// A record is its length, its checksum and the chunk. Files that were there at the start
// are only read, so that a crash while they are put back loses none of them.
type chunkLog struct {
	dir string

	mu      sync.Mutex
	number  int
	current *os.File
	// written counts the records of the current file, synced those of them on disk.
	written, synced uint64
	// broken is what a failed write or fsync leaves: nothing after it is acknowledged
	// until the next file.
	broken error
	syncMu sync.Mutex
	buffer []byte
}

type chunk struct {
	ID   string
	Rows []Row
	// file is the number of the file that it was read from.
	file int
}

// maxRecord is the most bytes of one record.
const maxRecord = 256 << 20

// openChunkLog opens the log in dir and returns the chunks it holds.
func openChunkLog(dir string) (*chunkLog, []chunk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	l := &chunkLog{dir: dir}
	numbers, err := l.files()
	if err != nil {
		return nil, nil, err
	}
	var chunks []chunk
	for _, n := range numbers {
		more, err := readChunks(l.file(n))
		if err != nil {
			return nil, nil, err
		}
		for i := range more {
			more[i].file = n
		}
		chunks = append(chunks, more...)
		l.number = n
	}
	return l, chunks, l.begin()
}

func (l *chunkLog) file(n int) string { return filepath.Join(l.dir, fmt.Sprintf("%010d.chunks", n)) }

// files are the numbers of the files that are there, oldest first.
func (l *chunkLog) files() ([]int, error) {
	names, err := filepath.Glob(filepath.Join(l.dir, "*.chunks"))
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		var n int
		if _, err := fmt.Sscanf(filepath.Base(name), "%d.chunks", &n); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (l *chunkLog) begin() error {
	f, err := os.OpenFile(l.file(l.number+1), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	// The file's name must survive a crash as well as its bytes.
	if dir, err := os.Open(l.dir); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
	l.number++
	l.current, l.written, l.synced, l.broken = f, 0, 0, nil
	return nil
}

// append returns when the chunk is on disk. Chunks that come while the disk is busy
// share the next fsync.
func (l *chunkLog) append(c chunk) error {
	l.mu.Lock()
	if l.broken != nil {
		defer l.mu.Unlock()
		return l.broken
	}
	l.buffer = appendChunk(append(l.buffer[:0], 0, 0, 0, 0, 0, 0, 0, 0), c)
	body := l.buffer[8:]
	if len(body) > maxRecord {
		l.mu.Unlock()
		return fmt.Errorf("chunk of %d bytes, at most %d", len(body), maxRecord)
	}
	binary.BigEndian.PutUint32(l.buffer, uint32(len(body)))
	binary.BigEndian.PutUint32(l.buffer[4:], crc32.ChecksumIEEE(body))
	if _, err := l.current.Write(l.buffer); err != nil {
		// A record may be torn now, and what is behind it would not be read.
		l.broken = fmt.Errorf("chunk log: %w", err)
		defer l.mu.Unlock()
		return l.broken
	}
	if cap(l.buffer) > 16<<20 {
		l.buffer = nil
	}
	l.written++
	f, mine := l.current, l.written
	l.mu.Unlock()
	return l.sync(f, mine)
}

func (l *chunkLog) sync(f *os.File, mine uint64) error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.mu.Lock()
	if f != l.current || l.synced >= mine {
		// Rotation syncs what it leaves.
		defer l.mu.Unlock()
		return l.broken
	}
	upto := l.written
	l.mu.Unlock()
	err := f.Sync()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.broken = fmt.Errorf("chunk log: %w", err)
		return l.broken
	}
	l.synced = upto
	return nil
}

// rotate begins a new file and drops those before the one it leaves. Two rotations, each
// after the store flushed, forget a chunk.
func (l *chunkLog) rotate() error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written == 0 && l.broken == nil {
		return l.drop(l.number)
	}
	if err := l.next(); err != nil {
		return err
	}
	return l.drop(l.number - 1)
}

// next begins a new file, with l.mu and l.syncMu held.
func (l *chunkLog) next() error {
	if err := l.current.Sync(); err != nil {
		return err
	}
	if err := l.current.Close(); err != nil {
		return err
	}
	return l.begin()
}

// mark begins a new file, and is its number: what was appended before is in those below it.
func (l *chunkLog) mark() (int, error) {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.next()
	return l.number, err
}

func (l *chunkLog) drop(before int) error {
	numbers, err := l.files()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n >= before {
			break
		}
		if err := os.Remove(l.file(n)); err != nil {
			return err
		}
	}
	return nil
}

func (l *chunkLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current.Close()
}
