package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"
)

const (
	// maxConnections is how many senders there may be at one time.
	maxConnections = 256
	// greeting is how long a handshake may take, idle how long a connection is kept
	// on which nothing comes.
	greeting = 10 * time.Second
	idle     = 10 * time.Minute
)

// Receiver takes chunks from senders and acknowledges each that the store kept.
type Receiver struct {
	// Keep returns when the rows are on disk; again says that they may be there already.
	Keep func(id string, rows []Row, again bool) error
	// Own is for our own collectors only, which say the namespace of each line.
	Own bool
	// Keys are the shared keys by the namespace that what comes with them goes to. With
	// none, senders are not asked for one, and all goes to Namespace.
	Keys      map[string]string
	Namespace string
	Log       *slog.Logger

	indices indexNames
	looped  sync.Once
}

// maxRounds is how often a chunk may come back that we sent to ourselves, by its id.
const maxRounds = 3

// Serve accepts connections until ctx ends.
func (r *Receiver) Serve(ctx context.Context, l net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	places := make(chan struct{}, maxConnections)
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case places <- struct{}{}:
		default:
			r.Log.Warn("log forward input: too many connections", "from", conn.RemoteAddr(), "most", maxConnections)
			_ = conn.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-places }()
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			if err := r.receive(conn); err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
				r.Log.Warn("log forward input", "from", conn.RemoteAddr(), "err", err)
			}
		})
	}
}

// deadlined is a connection, where what is read has one.
type deadlined interface{ SetDeadline(time.Time) error }

func (r *Receiver) receive(conn io.ReadWriter) error {
	limited := &io.LimitedReader{R: conn, N: 64 << 10}
	in, out := bound(msgp.NewReader(limited)), msgp.NewWriter(conn)
	within := func(d time.Duration) error {
		if c, ok := conn.(deadlined); ok {
			return c.SetDeadline(time.Now().Add(d))
		}
		return nil
	}
	namespace := r.Namespace
	if len(r.Keys) > 0 {
		if err := within(greeting); err != nil {
			return err
		}
		var err error
		if namespace, err = welcome(in, out, r.Keys); err != nil {
			return err
		}
	}
	for {
		// Our own collectors keep theirs, however quiet the node is.
		if !r.Own {
			if err := within(idle); err != nil {
				return err
			}
		}
		limited.N = maxChunk
		m, err := readMessage(in)
		if err != nil {
			if limited.N <= 0 {
				return fmt.Errorf("a chunk is larger than %d bytes", maxChunk)
			}
			return err
		}
		if err := r.keep(m, namespace); err != nil {
			return err
		}
		if m.chunk == "" {
			continue
		}
		if err := (&fluent.AckResp{Ack: m.chunk}).EncodeMsg(out); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

func (r *Receiver) keep(m message, namespace string) error {
	rows, id := make([]Row, len(m.events)), m.chunk
	for i, e := range m.events {
		if r.Own {
			rows[i] = e.own()
		} else {
			rows[i] = r.foreign(e, m.tag, namespace)
		}
	}
	if !r.Own && strings.HasPrefix(id, strings.Repeat(namespace+"/", maxRounds)) {
		r.looped.Do(func() {
			r.Log.Error("log forward input: lines come back to where they came from; they are not kept again. Correct logs.fluent, or the Fluentd behind it", "chunk", fmt.Sprintf("%.100s", id))
		})
		return nil
	}
	if !r.Own && id != "" {
		// Senders choose their ids, and may not choose those of others.
		id = namespace + "/" + id
	}
	if err := r.Keep(id, rows, m.again || !r.Own && m.chunk != ""); err != nil {
		return fmt.Errorf("chunk %s: %w", id, err)
	}
	return nil
}

// own is a row as ownEntry shaped it.
func (e event) own() Row {
	at := e.time
	if n, err := strconv.ParseInt(e.fields[timeField], 10, 64); err == nil {
		at = n
	}
	delete(e.fields, timeField)
	if now := time.Now(); at > now.Add(FutureRetention).UnixNano() {
		// A node whose clock is far ahead: the store would drop it.
		e.fields["claimed_time"], at = time.Unix(0, at).UTC().Format(time.RFC3339Nano), now.UnixNano()
	}
	return NewRow(at, e.fields)
}

// foreign is an event of somebody else's sender as a row of their namespace, in a data
// stream of its tag's name.
func (r *Receiver) foreign(e event, tag, namespace string) Row {
	row := Row{Time: e.time, Stream: 2, Fields: make([]Field, 2, len(e.fields)+5)}
	row.Fields[0] = Field{Name: "namespace", Value: namespace}
	row.Fields[1] = Field{Name: IndexField, Value: r.indices.of(tag, namespace, r.Log)}
	add := func(name, v string) { row.Fields = append(row.Fields, Field{Name: name, Value: v}) }
	add("tag", fmt.Sprintf("%.256s", tag))
	if now := time.Now(); e.time < now.Add(-Retention).UnixNano() || e.time > now.Add(FutureRetention).UnixNano() {
		// The store would drop it.
		add("claimed_time", time.Unix(0, e.time).UTC().Format(time.RFC3339Nano))
		row.Time = now.UnixNano()
	}
	message := ""
	for _, name := range []string{"message", "log", "msg", "_msg"} {
		if v := e.fields[name]; v != "" && message == "" {
			message = v
			delete(e.fields, name)
		}
	}
	if message == "" {
		message = " "
	}
	add("_msg", strings.TrimSuffix(message, "\n"))
	for name, v := range e.fields {
		if name[0] == '_' || name == "namespace" || name == "tag" {
			name = "record." + name
		}
		add(name, v)
	}
	return row
}

// indexNames are the data streams of tags, not more than a sender should have.
type indexNames struct {
	mu    sync.Mutex
	names map[string]string
	count map[string]int
}

const maxTags = 1000

func (n *indexNames) of(tag, namespace string, log *slog.Logger) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := namespace + "\n" + tag
	if name, ok := n.names[key]; ok {
		return name
	}
	if n.names == nil {
		n.names, n.count = map[string]string{}, map[string]int{}
	}
	if n.count[namespace] >= maxTags {
		if n.count[namespace]++; n.count[namespace] == maxTags+1 {
			log.Warn("log forward input: too many tags; the lines of further ones share a data stream", "namespace", namespace, "tag", fmt.Sprintf("%.60s", tag), "most", maxTags)
		}
		return "logs-forward-" + namespace
	}
	n.count[namespace]++
	clean := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(tag)), "_.")
	if clean == "" {
		clean = "forward"
	}
	n.names[key] = fmt.Sprintf("logs-%.100s-%s", clean, namespace)
	return n.names[key]
}
