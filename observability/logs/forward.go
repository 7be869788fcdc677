package logs

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"
)

// timeField carries the nanoseconds of a row: entries of the forward
// protocol's Forward mode have seconds only in this library's types.
const timeField = "_nanos"

// Sender sends chunks to a Receiver, or to another server of the forward protocol, one
// at a time, and waits for each to be acknowledged.
type Sender struct {
	dial func(context.Context) (net.Conn, error)
	// key is proved to the other side, and by it.
	key  string
	conn net.Conn
	in   *msgp.Reader
	out  *msgp.Writer
	// entry shapes a row for the other side.
	entry func(Row) fluent.Entry
}

// NewSender returns a sender over connections that dial makes.
func NewSender(dial func(context.Context) (net.Conn, error)) *Sender {
	return &Sender{dial: dial, entry: ownEntry}
}

// ownEntry is a row with all that our Receiver wants back.
func ownEntry(r Row) fluent.Entry {
	record := make(map[string]any, len(r.Fields)+1)
	for _, f := range r.Fields {
		record[f.Name] = f.Value
	}
	record[timeField] = strconv.FormatInt(r.Time, 10)
	return fluent.Entry{Time: r.Time / 1e9, Record: record}
}

// Send returns when the chunk is acknowledged. After an error the chunk may or
// may not have arrived: sending it again under the same id, and saying so, stores it once.
func (s *Sender) Send(ctx context.Context, id, tag string, rows []Row, again bool) error {
	if s.conn == nil {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	err := s.send(id, tag, rows, again)
	if err != nil {
		_ = s.Close()
	}
	return err
}

func (s *Sender) connect(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	s.conn, s.in, s.out = conn, bound(msgp.NewReader(conn)), msgp.NewWriter(conn)
	if s.key == "" {
		return nil
	}
	if err = conn.SetDeadline(time.Now().Add(30 * time.Second)); err == nil {
		err = introduce(s.in, s.out, s.key)
	}
	if err != nil {
		_ = s.Close()
	}
	return err
}

func (s *Sender) send(id, tag string, rows []Row, again bool) error {
	if err := s.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	f := fluent.Forward{Tag: tag, Option: map[string]string{"chunk": id}}
	if again {
		f.Option["again"] = "1"
	}
	for _, r := range rows {
		f.Entries = append(f.Entries, s.entry(r))
	}
	if err := f.EncodeMsg(s.out); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	var ack fluent.AckResp
	if err := ack.DecodeMsg(s.in); err != nil {
		return fmt.Errorf("chunk %s: no acknowledgement: %w", id, err)
	}
	if ack.Ack != id {
		return fmt.Errorf("chunk %s: acknowledged as %q", id, ack.Ack)
	}
	return nil
}

// Close ends the connection; the next Send makes a new one.
func (s *Sender) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}

// NewChunkID returns an id that no other chunk has.
func NewChunkID() string { return rand.Text() }
