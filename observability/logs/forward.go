package logs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"
)

// maxChunk is the most bytes that one message of the forward protocol may have.
const maxChunk = 8 << 20

// maxRows is the most rows, and the most fields of a row, that one may have.
const maxRows = 100_000

// timeField carries the nanoseconds of a row: entries of the forward
// protocol's Forward mode have seconds only in this library's types.
const timeField = "_nanos"

// Sender sends chunks to a Receiver, one at a time, and waits for each to be
// acknowledged.
type Sender struct {
	dial func(context.Context) (net.Conn, error)
	conn net.Conn
	in   *msgp.Reader
	out  *msgp.Writer
}

// NewSender returns a sender over connections that dial makes.
func NewSender(dial func(context.Context) (net.Conn, error)) *Sender { return &Sender{dial: dial} }

// Send returns when the chunk is acknowledged. After an error the chunk may or
// may not have arrived: sending it again under the same id stores it once.
func (s *Sender) Send(ctx context.Context, id, tag string, rows []Row) error {
	if s.conn == nil {
		conn, err := s.dial(ctx)
		if err != nil {
			return err
		}
		s.conn, s.in, s.out = conn, msgp.NewReader(conn), msgp.NewWriter(conn)
	}
	err := s.send(id, tag, rows)
	if err != nil {
		_ = s.Close()
	}
	return err
}

func (s *Sender) send(id, tag string, rows []Row) error {
	if err := s.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	f := fluent.Forward{Tag: tag, Option: map[string]string{"chunk": id}}
	for _, r := range rows {
		record := make(map[string]any, len(r.Fields)+1)
		for _, f := range r.Fields {
			record[f.Name] = f.Value
		}
		record[timeField] = r.Time
		f.Entries = append(f.Entries, fluent.Entry{Time: r.Time / 1e9, Record: record})
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

// Receiver takes chunks from senders and acknowledges each that store kept.
type Receiver struct {
	// Keep returns when the rows are on disk.
	Keep func(id string, rows []Row) error
	Log  *slog.Logger
}

// Serve accepts connections until ctx ends.
func (r *Receiver) Serve(ctx context.Context, l net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		wg.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			if err := r.receive(conn); err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
				r.Log.Warn("log forward input", "err", err)
			}
		})
	}
}

func (r *Receiver) receive(conn io.ReadWriter) error {
	limited := &io.LimitedReader{R: conn}
	in, out := msgp.NewReader(limited), msgp.NewWriter(conn)
	in.SetMaxElements(maxRows)
	for {
		limited.N = maxChunk
		var f fluent.Forward
		if err := f.DecodeMsg(in); err != nil {
			if limited.N <= 0 {
				return fmt.Errorf("a chunk is larger than %d bytes", maxChunk)
			}
			return err
		}
		id := f.Option["chunk"]
		if err := r.Keep(id, rowsOf(f)); err != nil {
			return fmt.Errorf("chunk %s: %w", id, err)
		}
		if id == "" {
			continue
		}
		if err := (&fluent.AckResp{Ack: id}).EncodeMsg(out); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

func rowsOf(f fluent.Forward) []Row {
	rows := make([]Row, 0, len(f.Entries))
	for _, e := range f.Entries {
		row, fields := Row{Time: e.Time * 1e9}, map[string]string{}
		record, _ := e.Record.(map[string]any)
		for k, v := range record {
			switch v := v.(type) {
			case string:
				fields[k] = v
			case int64:
				if k == timeField {
					row.Time = v
					continue
				}
				fields[k] = strconv.FormatInt(v, 10)
			default:
				fields[k] = fmt.Sprint(v)
			}
		}
		rows = append(rows, NewRow(row.Time, fields))
	}
	return rows
}
