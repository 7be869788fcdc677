package logs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"
)

// Fluent is a Fluentd or Fluent Bit that gets every line as well.
type Fluent struct {
	// Address is its forward input, host:port.
	Address string
	// CAFile makes it TLS: the authority of the other side's certificate.
	CAFile string
	// CA is that authority itself, where it is in no file.
	CA string
	// ServerName is whom the certificate is for; default: the host of Address.
	ServerName string
	// KeyFile has the shared key.
	KeyFile string
	// Key is the shared key itself, where it is in no file.
	Key string
	// IDField and IndexField, where they are not empty, are fields that each line has
	// besides: an id that it keeps when it is sent again, and the data stream that it
	// belongs to, which begins with IndexPrefix.
	IDField, IndexField, IndexPrefix string
	// Tag of what is sent.
	Tag string

	sender *Sender
}

// Open reads the files that the configuration names.
func (f *Fluent) Open() error {
	dial := func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", f.Address)
	}
	pem := []byte(f.CA)
	if f.CAFile != "" {
		var err error
		if pem, err = os.ReadFile(f.CAFile); err != nil {
			return err
		}
	}
	if len(pem) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("authority of %s: %s: no certificate in it", f.Name(), f.CAFile)
		}
		dial = func(ctx context.Context) (net.Conn, error) {
			d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: f.ServerName}}
			return d.DialContext(ctx, "tcp", f.Address)
		}
	}
	f.sender = NewSender(dial)
	f.sender.key = f.Key
	if f.KeyFile != "" {
		b, err := os.ReadFile(f.KeyFile)
		if err != nil {
			return err
		}
		if f.sender.key = strings.TrimSpace(string(b)); f.sender.key == "" {
			return fmt.Errorf("%s: no key in it", f.KeyFile)
		}
	}
	if f.Tag == "" {
		f.Tag = "slipway"
	}
	return nil
}

// Name is where it is.
func (f *Fluent) Name() string { return "fluent at " + f.Address }

// Send returns when the other side acknowledged the chunk.
func (f *Fluent) Send(ctx context.Context, id string, rows []Row, _ bool) error {
	s := f.sender
	if s.conn == nil {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	err := f.send(id, rows)
	if err != nil {
		_ = s.Close()
	}
	return err
}

// messageBytes is about how large a message is: those who receive have limits, and buffers
// whose chunks have them.
const messageBytes = 2 << 20

// send writes PackedForward, whose entries have the nanoseconds of each row; a chunk that
// is larger than a message may be goes in several.
func (f *Fluent) send(id string, rows []Row) error {
	var entries bytes.Buffer
	w := msgp.NewWriter(&entries)
	first, size := 0, 0
	for i, r := range rows {
		// By the rows alone, so that a chunk which is sent again has the same messages.
		for _, f := range r.Fields {
			size += len(f.Name) + len(f.Value)
		}
		if err := f.entry(w, id, i, r); err != nil {
			return err
		}
		if size < messageBytes && i < len(rows)-1 {
			continue
		}
		if err := w.Flush(); err != nil {
			return err
		}
		part := id
		if first > 0 {
			part += "/" + strconv.Itoa(first)
		}
		if err := f.message(part, entries.Bytes(), i+1-first); err != nil {
			return err
		}
		entries.Reset()
		first, size = i+1, 0
	}
	return nil
}

// entry is the i-th row of a chunk.
func (f *Fluent) entry(w *msgp.Writer, id string, i int, r Row) error {
	at := fluent.EventTime(time.Unix(0, r.Time))
	record := make(map[string]string, len(r.Fields)+2)
	for _, f := range r.Fields {
		if !ownField(f.Name) {
			record[foreignName(f.Name)] = f.Value
		}
	}
	if f.IDField != "" {
		record[f.IDField] = id + "-" + strconv.Itoa(i)
	}
	if f.IndexField != "" {
		record[f.IndexField] = f.IndexPrefix + r.Index()
	}
	return errors.Join(w.WriteArrayHeader(2), w.WriteExtension(&at), w.WriteMapStrStr(record))
}

// message sends entries and returns when they are acknowledged.
func (f *Fluent) message(id string, entries []byte, n int) error {
	s := f.sender
	// An acknowledgement takes as long as the other side's own flush.
	if err := s.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	err := write(s.out, func() error {
		return errors.Join(s.out.WriteArrayHeader(3), s.out.WriteString(f.Tag), s.out.WriteBytes(entries),
			s.out.WriteMapStrIntf(map[string]any{"chunk": id, "size": n}))
	})
	if err != nil {
		return err
	}
	var ack fluent.AckResp
	if err := ack.DecodeMsg(s.in); err != nil {
		return fmt.Errorf("chunk %s: no acknowledgement: %w", id, err)
	}
	if ack.Ack != id {
		return fmt.Errorf("chunk %s: acknowledged as %.60q", id, ack.Ack)
	}
	return nil
}
