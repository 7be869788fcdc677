package logs

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// batch is a part of a file that is on its way: it is sent under one id, with the same
// bounds, until it is acknowledged, also by the next process.
type batch struct {
	id    string
	rows  []Row
	taken int64
	again bool
}

// next returns the batch to send, reading one of about size bytes when none is on its
// way; nil when nothing new is in the file. Its end is where no record is begun only, so
// that a process which begins there loses no part of a line.
func (t *tail) next(size int64) (*batch, error) {
	if t.pending != nil {
		t.pending.again = true
		return t.pending, nil
	}
	b := &batch{id: NewChunkID()}
	if t.intent.taken > 0 {
		// What a process before this one was about to send: the same bytes, the same id.
		b.id, size, b.again = t.intent.id, t.intent.taken, true
	}
	var err error
	b.rows, b.taken, err = t.read(size)
	if err != nil || b.taken == 0 {
		return nil, err
	}
	if t.intent.taken > 0 && b.taken != t.intent.taken {
		b.id, b.again = NewChunkID(), false
	}
	t.intent = intent{}
	b.rows = joinTraces(b.rows)
	t.pending = b
	return b, nil
}

// intent is a batch as the positions file has it.
type intent struct {
	id    string
	taken int64
}

// sent forgets the batch that is acknowledged.
func (t *tail) sent() {
	t.offset += t.pending.taken
	t.pending = nil
}

// read returns the rows that are whole, up to about size bytes, and how many
// bytes of the file they took. What is not whole yet stays.
func (t *tail) read(size int64) (rows []Row, taken int64, err error) {
	if err := t.truncated(); err != nil {
		return nil, 0, err
	}
	var read, whole int64 // whole is where no record was begun
	wholeRows := 0
	for read < size {
		line, err := t.reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		read += int64(len(line))
		if l, err := t.parse(bytes.TrimSuffix(line, []byte("\n"))); err == nil {
			if text, ok := t.joined.add(l); ok {
				rows = append(rows, t.row(l, text))
			}
		}
		if len(t.joined.begun) == 0 {
			whole, wholeRows = read, len(rows)
		}
	}
	if whole == 0 && read >= size {
		// Two streams that are never whole at once: parts of a line may come twice.
		whole, wholeRows = read, len(rows)
	}
	if whole < read || read < size {
		// Read the begun record again when more of it is there.
		t.joined = assembler{}
		if _, err := t.file.Seek(t.offset+whole, io.SeekStart); err != nil {
			return nil, 0, err
		}
		t.reader.Reset(t.file)
	}
	return rows[:wholeRows], whole, nil
}

// truncated begins anew with a file that somebody emptied.
func (t *tail) truncated() error {
	fi, err := t.file.Stat()
	if err != nil {
		return err
	}
	if fi.Size() >= t.offset {
		return nil
	}
	t.offset, t.joined, t.intent = 0, assembler{}, intent{}
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t.reader.Reset(t.file)
	return nil
}

// open opens a file for its tail and never follows a link.
func open(path string) (*os.File, error) { return os.OpenFile(path, openFlags, 0) }
