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
}

const headBytes = 64

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
	labels Row // what every line of the file has
}

// podOf reads <namespace>_<pod>_<uid>/<container>/<n>.log, the kubelet's name of a log file.
func podOf(path string) (namespace, pod, container string, ok bool) {
	dir, container := filepath.Split(filepath.Dir(path))
	parts := strings.Split(filepath.Base(dir), "_")
	if len(parts) != 3 || filepath.Ext(path) != ".log" {
		return "", "", "", false
	}
	return parts[0], parts[1], container, true
}

func openTail(path string, positions map[uint64]position) (*tail, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	inode := fi.Sys().(*syscall.Stat_t).Ino
	t := &tail{file: f, inode: inode}
	known := positions[inode]
	if b, err := head(f, known.Offset); err == nil && known.Offset <= fi.Size() && bytes.Equal(b, known.Head) {
		t.offset = known.Offset
	}
	if _, err := f.Seek(t.offset, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t.reader = bufio.NewReaderSize(f, 64<<10)
	return t, nil
}

// read returns the rows that are whole, up to about size bytes, and how many
// bytes of the file they took. A record whose end is not written yet stays.
func (t *tail) read(size int) (rows []Row, taken int64, err error) {
	for taken < int64(size) {
		line, err := t.reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			// Read the begun record again when more of it is there.
			if _, err := t.file.Seek(t.offset+taken, io.SeekStart); err != nil {
				return nil, 0, err
			}
			t.reader.Reset(t.file)
			return rows, taken, nil
		}
		if err != nil {
			return nil, 0, err
		}
		taken += int64(len(line))
		l, err := parseCRI(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			continue
		}
		if text, ok := t.joined.add(l); ok {
			rows = append(rows, t.row(l, text))
		}
	}
	return rows, taken, nil
}

func (t *tail) row(l criLine, text string) Row {
	if text == "" {
		// An empty message means none to the store.
		text = " "
	}
	f := make([]Field, 0, len(t.labels.Fields)+2)
	f = append(append(f, t.labels.Fields...), Field{Name: "stream", Value: l.stream}, Field{Name: "_msg", Value: text})
	return Row{Time: l.at, Fields: f, Stream: t.labels.Stream}
}

// finished says whether the file is gone or rotated away and read to its end.
func (t *tail) finished(path string) bool {
	fi, err := os.Lstat(path)
	if err == nil && fi.Sys().(*syscall.Stat_t).Ino == t.inode {
		return false
	}
	now, err := t.file.Stat()
	return err != nil || now.Size() <= t.offset
}
