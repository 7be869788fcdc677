package logs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// position is how far a file was acknowledged. An inode is given to another file as
// soon as its own is deleted, so how the file begins (a time to the nanosecond, in
// what container runtimes write) tells whether it is still the one that was read.
type position struct {
	Offset int64  `json:"offset"`
	Head   []byte `json:"head"`
	// Chunk is the id of the batch that is on its way, Taken its bytes, and ChunkHead how
	// the file begins up to its end.
	Chunk     string `json:"chunk,omitempty"`
	Taken     int64  `json:"taken,omitempty"`
	ChunkHead []byte `json:"chunkHead,omitempty"`
}

const (
	headBytes = 64
	openFlags = os.O_RDONLY | syscall.O_NOFOLLOW
)

// head is how a file begins, of which offset bytes were read.
func head(f *os.File, offset int64) ([]byte, error) {
	b := make([]byte, min(offset, headBytes))
	_, err := f.ReadAt(b, 0)
	return b, err
}

// tail reads one file of one container from where it was read last.
type tail struct {
	file   *os.File
	inode  uint64
	offset int64 // of the first byte that is not acknowledged
	reader *bufio.Reader
	joined assembler
	parse  func([]byte) (criLine, error)
	// pending is the batch that is on its way, intent that of the process before.
	pending *batch
	intent  intent
	labels  Row // what every line of the file has
	json    structured
	source  *Source // where it is no container's
}

// podOf reads <namespace>_<pod>_<uid>/<container>/<n>.log, the kubelet's name of a log
// file; one that is rotated has a time behind it, and .gz once it is compressed.
func podOf(path string) (namespace, pod, container string, ok bool) {
	dir, container := filepath.Split(filepath.Dir(path))
	parts := strings.Split(filepath.Base(dir), "_")
	name := filepath.Base(path)
	plain := strings.HasSuffix(name, ".log") || strings.Contains(name, ".log.") && !strings.HasSuffix(name, ".gz") && !strings.HasSuffix(name, ".tmp")
	if len(parts) != 3 || !plain {
		return "", "", "", false
	}
	return parts[0], parts[1], container, true
}

func openTail(path string, positions map[uint64]position) (*tail, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	inode := fi.Sys().(*syscall.Stat_t).Ino
	t := &tail{file: f, inode: inode, parse: parseCRI}
	known := positions[inode]
	if b, err := head(f, known.Offset); err == nil && known.Offset <= fi.Size() && bytes.Equal(b, known.Head) {
		t.offset = known.Offset
		// A file that took the number of another has not its batch.
		if b, err := head(f, known.Offset+known.Taken); err == nil && bytes.Equal(b, known.ChunkHead) && known.Offset+known.Taken <= fi.Size() {
			t.intent = intent{known.Chunk, known.Taken}
		}
	}
	if _, err := f.Seek(t.offset, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t.reader = bufio.NewReaderSize(f, 64<<10)
	return t, nil
}

func (t *tail) row(l criLine, text string) Row {
	if text == "" {
		// An empty message means none to the store.
		text = " "
	}
	f := make([]Field, 0, len(t.labels.Fields)+len(l.fields)+2)
	f = append(f, t.labels.Fields...)
	for name, v := range l.fields {
		if v != "" {
			f = append(f, Field{Name: name, Value: v})
		}
	}
	if t.source == nil {
		for _, own := range t.json.fields(text) {
			if t.labels.Get(own.Name) == "" {
				f = append(f, own)
			}
		}
	}
	// The text is last: a trace grows there.
	f = append(f, Field{Name: "stream", Value: l.stream}, Field{Name: "_msg", Value: text})
	return Row{Time: l.at, Fields: f, Stream: t.labels.Stream}
}

// waits is 1 while a batch is on its way.
func (t *tail) waits() int {
	if t.pending != nil {
		return 1
	}
	return 0
}

// finished says whether the file is deleted and read to its end.
func (t *tail) finished() bool {
	fi, err := t.file.Stat()
	if err != nil {
		return true
	}
	return fi.Sys().(*syscall.Stat_t).Nlink == 0 && t.pending == nil && fi.Size() <= t.offset
}
