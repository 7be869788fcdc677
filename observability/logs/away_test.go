package logs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a network of one address, which is there or not.
type pipes struct {
	conns chan net.Conn
	down  func() bool
	tried int
}

func (p *pipes) Accept() (net.Conn, error) {
	c, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p *pipes) Close() error   { close(p.conns); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(context.Context) (net.Conn, error) {
	if p.tried++; p.down() {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	p.conns <- there
	return here, nil
}

// TestAFluentdAwayForAnHour: lines come all the while, some acknowledgements are lost, and
// in the end each line is there, told from those that were sent again by its id.
func TestAFluentdAwayForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		away := func() bool {
			since := time.Since(began)
			return since > 10*time.Minute && since < 70*time.Minute
		}
		network := &pipes{conns: make(chan net.Conn), down: away}
		seen, chunks, torn := map[string]int{}, 0, 0
		receiver := &Receiver{Namespace: "default", Log: quiet(), Keep: func(_ string, rows []Row, _ bool) error {
			if away() {
				return errors.New("going away")
			}
			for _, r := range rows {
				seen[r.Get("line_id")+" "+r.Get("_msg")]++
			}
			if chunks++; chunks%7 == 0 {
				// It has the chunk, and the sender does not come to know.
				torn++
				return errors.New("no acknowledgement")
			}
			return nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- receiver.Serve(ctx, network) }()
		out := &Fluent{Address: "fluentd:24224", IDField: "line_id"}
		if err := out.Open(); err != nil {
			t.Fatal(err)
		}
		out.sender = NewSender(network.dial)
		spool, err := OpenSpool(t.TempDir(), 1<<20, out, quiet())
		if err != nil {
			t.Fatal(err)
		}
		stop := runSpool(t, spool)
		const n, each = 120, 3
		for i := range n {
			var rows []Row
			for j := range each {
				rows = append(rows, NewRow(time.Now().UnixNano(), map[string]string{"namespace": "default", "_msg": fmt.Sprintf("line %d of %d", j, i)}))
			}
			if err := spool.Put(fmt.Sprintf("c%d", i), rows); err != nil {
				t.Fatal(err)
			}
			time.Sleep(45 * time.Second) // of the bubble: 90 minutes in all
			if i == 60 {
				if st := spool.State(); st.Error == "" || time.Since(st.Since) < 30*time.Minute || st.Chunks < 40 {
					t.Errorf("away: %+v", st)
				}
				if network.tried > 200 {
					t.Errorf("%d tries in half an hour", network.tried)
				}
			}
		}
		st := spool.State()
		if st.Chunks != 0 || st.Error != "" || st.Sent != n*each || st.Dropped+st.Refused != 0 {
			t.Errorf("in the end: %+v", st)
		}
		if len(seen) != n*each || torn == 0 {
			t.Errorf("%d different lines, want %d; %d acknowledgements lost", len(seen), n*each, torn)
		}
		for i := range n {
			for j := range each {
				if seen[fmt.Sprintf("c%d-%d line %d of %d", i, j, j, i)] == 0 {
					t.Errorf("line %d of chunk %d is lost", j, i)
				}
			}
		}
		stop()
		_ = out.sender.Close()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// TestAFullBufferCountsWhatItDrops: more comes in an hour than fits. What is dropped is
// counted line by line, the rest comes, and none of it twice.
func TestAFullBufferCountsWhatItDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, out := t.TempDir(), &fickle{err: errors.New("away")}
		spool, err := OpenSpool(filepath.Join(dir, "spool"), 20_000, out, quiet())
		if err != nil {
			t.Fatal(err)
		}
		stop := runSpool(t, spool)
		const n = 360
		for i := range n {
			var rows []Row
			for range 1 + i%3 {
				rows = append(rows, NewRow(1, map[string]string{"_msg": fmt.Sprintf("%0200d", i)}))
			}
			if err := spool.Put(fmt.Sprintf("c%03d", i), rows); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		st := spool.State()
		if st.Bytes > 20_000 || st.Dropped == 0 || time.Since(st.Since) < 50*time.Minute {
			t.Errorf("after an hour: %+v", st)
		}
		stop()
		// Another process counts what waits by what the files say.
		spool, err = OpenSpool(filepath.Join(dir, "spool"), 20_000, out, quiet())
		if err != nil {
			t.Fatal(err)
		}
		out.set(nil)
		stop = runSpool(t, spool)
		time.Sleep(2 * time.Minute)
		stop()
		after := spool.State()
		if after.Chunks != 0 || after.Sent+st.Dropped != 2*n || after.Dropped != 0 {
			t.Errorf("%d lines sent and %d dropped of %d", after.Sent, st.Dropped, 2*n)
		}
		seen := map[string]bool{}
		for _, c := range out.got {
			if seen[c] {
				t.Errorf("%s came twice", c)
			}
			seen[c] = true
		}
		if last := fmt.Sprintf("c%03d/%d", n-1, 1+(n-1)%3); !seen[last] {
			t.Errorf("the newest is not there: %s", last)
		}
	})
}
