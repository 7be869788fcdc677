package logs

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tinylib/msgp/msgp"
)

const (
	// maxChunk is the most bytes that one message of the forward protocol may have.
	maxChunk = 16 << 20
	// maxUnpacked is the most bytes that a compressed one may grow to.
	maxUnpacked = 64 << 20
	// maxRows is the most rows that one may have, maxFields the most fields of a row.
	maxRows   = 100_000
	maxFields = 1000
	// maxFieldName is as long as the store lets the name of a field be.
	maxFieldName = 128
	// maxNesting is how deep a record may go.
	maxNesting = 20
)

// message is one message of the forward protocol, in any of its modes.
type message struct {
	tag    string
	events []event
	// chunk asks for an acknowledgement; again says that it may have been sent before.
	chunk string
	again bool
}

type event struct {
	time   int64
	fields map[string]string
}

// bound sets what a reader of messages accepts.
func bound(in *msgp.Reader) *msgp.Reader {
	in.SetMaxElements(maxRows)
	in.SetMaxRecursionDepth(maxNesting)
	in.SetMaxStringLength(maxChunk)
	return in
}

// readMessage reads a message in the mode that it has: Message [tag, time, record],
// Forward [tag, [[time, record], …]], PackedForward [tag, bytes of entries], or
// CompressedPackedForward, whose bytes are gzip; options follow in each.
func readMessage(in *msgp.Reader) (message, error) {
	var m message
	n, err := in.ReadArrayHeader()
	if err != nil {
		return m, err
	}
	if n < 2 || n > 4 {
		return m, fmt.Errorf("a message has %d parts, want 2 to 4", n)
	}
	if m.tag, err = in.ReadString(); err != nil {
		return m, fmt.Errorf("tag: %w", err)
	}
	kind, err := in.NextType()
	if err != nil {
		return m, err
	}
	var packed []byte
	used := uint32(2)
	switch kind {
	case msgp.ArrayType:
		count, err := in.ReadArrayHeader()
		if err != nil {
			return m, err
		}
		for range count {
			if err := m.entry(in); err != nil {
				return m, err
			}
		}
	case msgp.BinType:
		packed, err = readPacked(in)
	case msgp.StrType:
		packed, err = in.ReadStringAsBytes(nil)
	default:
		used = 3
		err = m.timed(in)
	}
	if err != nil {
		return m, err
	}
	compressed := ""
	if n > used {
		if compressed, err = m.option(in); err != nil {
			return m, fmt.Errorf("option: %w", err)
		}
	}
	if packed != nil {
		err = m.unpack(packed, compressed)
	}
	return m, err
}

// readPacked reads bytes as they come. The reader's own way would take its limit of rows
// for one of bytes.
func readPacked(in *msgp.Reader) ([]byte, error) {
	n, err := in.ReadBytesHeader()
	if err != nil {
		return nil, err
	}
	if n > maxChunk {
		return nil, fmt.Errorf("a chunk is larger than %d bytes", maxChunk)
	}
	var b bytes.Buffer
	_, err = io.CopyN(&b, in.R, int64(n))
	return b.Bytes(), err
}

// option reads the map behind the events, or the nil in its place.
func (m *message) option(in *msgp.Reader) (compressed string, err error) {
	if in.IsNil() {
		return "", in.ReadNil()
	}
	n, err := in.ReadMapHeader()
	if err != nil {
		return "", err
	}
	if n > 100 {
		return "", fmt.Errorf("%d options", n)
	}
	for range n {
		name, err := in.ReadString()
		if err != nil {
			return "", err
		}
		v, err := in.ReadIntf()
		if err != nil {
			return "", err
		}
		s := plain(v)
		switch name {
		case "chunk":
			m.chunk = s
		case "compressed":
			compressed = s
		case "again":
			m.again = true
		}
	}
	if len(m.chunk) > 200 {
		return "", fmt.Errorf("chunk id of %d bytes", len(m.chunk))
	}
	return compressed, nil
}

func (m *message) unpack(packed []byte, compressed string) error {
	var r io.Reader = bytes.NewReader(packed)
	switch compressed {
	case "", "text":
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("compressed entries: %w", err)
		}
		r = z
	default:
		return fmt.Errorf("entries compressed by %.20q; known: gzip", compressed)
	}
	limited := &io.LimitedReader{R: r, N: maxUnpacked}
	in := bound(msgp.NewReader(limited))
	for {
		if _, err := in.NextType(); err != nil {
			if limited.N <= 0 {
				return fmt.Errorf("entries are larger than %d bytes when they are unpacked", maxUnpacked)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := m.entry(in); err != nil {
			return err
		}
	}
}

// entry reads [time, record]; Fluent Bit writes [[time, metadata], record] as well.
func (m *message) entry(in *msgp.Reader) error {
	n, err := in.ReadArrayHeader()
	if err != nil {
		return err
	}
	if n != 2 {
		return fmt.Errorf("an entry has %d parts, want 2", n)
	}
	kind, err := in.NextType()
	if err != nil {
		return err
	}
	if kind != msgp.ArrayType {
		return m.timed(in)
	}
	if n, err = in.ReadArrayHeader(); err != nil || n != 2 {
		return errors.Join(err, fmt.Errorf("an entry's time has %d parts, want 2", n))
	}
	at, err := readTime(in)
	if err != nil {
		return err
	}
	if err := in.Skip(); err != nil {
		return err
	}
	return m.record(in, at)
}

func (m *message) timed(in *msgp.Reader) error {
	at, err := readTime(in)
	if err != nil {
		return fmt.Errorf("time of an event: %w", err)
	}
	return m.record(in, at)
}

// readTime reads seconds, or EventTime: an extension of seconds and nanoseconds.
func readTime(in *msgp.Reader) (int64, error) {
	kind, err := in.NextType()
	if err != nil {
		return 0, err
	}
	switch kind {
	case msgp.IntType, msgp.UintType:
		s, err := in.ReadInt64()
		if s > 9_000_000_000 || s < 0 {
			return 0, fmt.Errorf("%d seconds since 1970", s)
		}
		return s * 1e9, err
	case msgp.Float64Type, msgp.Float32Type:
		f, err := in.ReadFloat64()
		if !(f >= 0 && f < 9e9) {
			return 0, fmt.Errorf("%v seconds since 1970", f)
		}
		return int64(f * 1e9), err
	}
	ext, b, err := in.ReadExtensionRaw()
	if err != nil {
		return 0, err
	}
	if ext != 0 || len(b) != 8 {
		return 0, fmt.Errorf("extension %d of %d bytes is no time", ext, len(b))
	}
	return int64(binary.BigEndian.Uint32(b))*1e9 + int64(binary.BigEndian.Uint32(b[4:])), nil
}

func (m *message) record(in *msgp.Reader, at int64) error {
	if len(m.events) >= maxRows {
		return fmt.Errorf("more than %d events in a message", maxRows)
	}
	e := event{time: at, fields: map[string]string{}}
	n, err := in.ReadMapHeader()
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	for range n {
		name, err := in.ReadString()
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		v, err := in.ReadIntf()
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		e.put(name, v)
	}
	m.events = append(m.events, e)
	return nil
}

// put keeps a value under its path. A field too many, or with too long a name, is left
// out, and the row says which.
func (e *event) put(name string, v any) {
	if nested, ok := v.(map[string]any); ok {
		for k, v := range nested {
			e.put(name+"."+k, v)
		}
		return
	}
	s := plain(v)
	if s == "" {
		return
	}
	if len(name) > maxFieldName || len(e.fields) >= maxFields || name == "" {
		e.fields[LeftOut] = fmt.Sprintf("%.60s", name)
		return
	}
	e.fields[name] = s
}

// LeftOut is the field that names what was left out of a line: fields or labels too many.
const LeftOut = "left_out"

// plain is a value as text; of lists it is JSON.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.ToValidUTF8(v, "\uFFFD")
	case []byte:
		return strings.ToValidUTF8(string(v), "\uFFFD")
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any:
		if b, err := json.Marshal(v); err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(v)
}
