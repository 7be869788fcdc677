package logs

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// errChunk is what decodeChunk says of bytes that are no chunk.
var errChunk = errors.New("not a chunk")

// appendChunk writes c behind b: its id, then each row's time and fields, every text
// with its length before it.
func appendChunk(b []byte, c chunk) []byte {
	b = appendText(b, c.ID)
	b = binary.AppendUvarint(b, uint64(len(c.Rows)))
	for _, r := range c.Rows {
		b = binary.AppendUvarint(binary.AppendVarint(b, r.Time), uint64(r.Stream))
		b = binary.AppendUvarint(b, uint64(len(r.Fields)))
		for _, f := range r.Fields {
			b = appendText(appendText(b, f.Name), f.Value)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeChunk reads what appendChunk wrote.
func decodeChunk(b []byte) (chunk, error) {
	d := decoder{b: b}
	c := chunk{ID: d.text()}
	for n := d.count(); n > 0 && d.err == nil; n-- {
		r := Row{Time: d.varint(), Stream: int(d.varuint())}
		for m := d.count(); m > 0 && d.err == nil; m-- {
			r.Fields = append(r.Fields, Field{Name: d.text(), Value: d.text()})
		}
		if r.Stream > len(r.Fields) {
			return c, errChunk
		}
		c.Rows = append(c.Rows, r)
	}
	if d.err == nil && len(d.b) > 0 {
		d.err = errChunk
	}
	return c, d.err
}

type decoder struct {
	b   []byte
	err error
}

// count reads a number of things that follow, each of at least one byte.
func (d *decoder) count() uint64 {
	v := d.varuint()
	if v > uint64(len(d.b)) {
		d.err, d.b = errChunk, nil
		return 0
	}
	return v
}

func (d *decoder) varuint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > 1<<40 {
		d.err, d.b = errChunk, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.err, d.b = errChunk, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string {
	n := d.count()
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// readChunks reads a file of chunks. A torn last record was never acknowledged and is
// left out.
func readChunks(file string) ([]chunk, error) {
	f, err := os.Open(file)
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
		if size > maxRecord {
			return chunks, nil
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(r, body); err != nil || crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(head[4:]) {
			return chunks, nil
		}
		c, err := decodeChunk(body)
		if err != nil {
			return nil, fmt.Errorf("chunk log %s: %w", file, err)
		}
		chunks = append(chunks, c)
	}
}
