package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"
)

// input serves the door for others' senders over store.
func input(t *testing.T, store *Store, in Input) (host string, port int) {
	t.Helper()
	in.Address = "127.0.0.1:0"
	r, l, err := in.Listen(store, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	host, p, _ := net.SplitHostPort(l.Addr().String())
	port, _ = strconv.Atoi(p)
	return host, port
}

func count(t *testing.T, s *Store, namespace, text string) int {
	t.Helper()
	s.Flush()
	return len(search(t, s, namespace, text))
}

func TestFluentLoggerSends(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer runStore(t, store)()
	host, port := input(t, store, Input{Namespace: "default"})
	for name, conf := range map[string]fluent.Config{
		"plain":   {},
		"ack":     {RequestAck: true},
		"nanos":   {RequestAck: true, SubSecondPrecision: true},
		"async":   {Async: true},
		"forced":  {ForceStopAsyncSend: true, RequestAck: true},
		"message": {TagPrefix: "a.b", RequestAck: true},
	} {
		conf.FluentHost, conf.FluentPort = host, port
		f, err := fluent.New(conf)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			err := f.PostWithTime("app", time.Now(), map[string]any{"log": name + "-line " + strconv.Itoa(i) + "\n", "n": i, "deep": map[string]any{"x": []string{"y"}}})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, name, func() bool { return count(t, store, "default", `"`+name+`-line"`) == 3 })
	}
	row := search(t, store, "default", `"nanos-line 2"`)[0]
	if row["_msg"] != "nanos-line 2" || row["n"] != "2" || row["deep.x"] != `["y"]` || row["tag"] != "app" {
		t.Errorf("got %v", row)
	}
	if n := count(t, store, "default", `_index:="logs-a.b.app-default"`); n != 3 {
		t.Errorf("%d lines are in the tag's data stream", n)
	}
}

func TestSharedKeysChooseTheNamespace(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer runStore(t, store)()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("# namespace key\nred  red-key-red-key-red\nblue blue-key-blue-key-blue\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t)
	host, port := input(t, store, Input{KeysFile: keys, CertFile: cert, KeyFile: key})
	send := func(key, text string) error {
		s := NewSender(func(ctx context.Context) (net.Conn, error) {
			return (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		})
		s.key = key
		defer s.Close()
		return s.Send(t.Context(), "same-id", "app", []Row{NewRow(time.Now().UnixNano(), map[string]string{"namespace": "blue", "_msg": text})}, false)
	}
	for range 2 {
		// The second is the same chunk again, and is stored once.
		if err := errors.Join(send("red-key-red-key-red", "of red"), send("blue-key-blue-key-blue", "of blue")); err != nil {
			t.Fatal(err)
		}
	}
	if err := send("guessed-key-guessed", "of nobody"); !errors.Is(err, ErrSharedKey) {
		t.Errorf("a wrong key: %v", err)
	}
	if r, b := count(t, store, "red", ""), count(t, store, "blue", ""); r != 1 || b != 1 || count(t, store, "red", `"of red"`) != 1 {
		t.Errorf("red has %d lines, blue %d", r, b)
	}
}

func TestTheForwardInputRefusesToBeOpen(t *testing.T) {
	for want, in := range map[string]Input{
		"":         {Address: "127.0.0.1:24224"},
		"not on":   {Address: ":24224"},
		"and TLS":  {Address: "10.0.0.1:24224", KeysFile: "x"},
		"address ": {Address: "24224"},
	} {
		err := in.Check()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

// packed are messages in the modes that fluent-logger-golang does not send.
func packed(t testing.TB, compress bool, n int, size int) []byte {
	t.Helper()
	var entries, out bytes.Buffer
	w := msgp.NewWriter(&entries)
	for i := range n {
		err := errors.Join(w.WriteArrayHeader(2), w.WriteInt64(time.Now().Unix()), w.WriteMapHeader(1), w.WriteString("message"), w.WriteString(fmt.Sprintf("packed %d %s", i, strings.Repeat("x", size))))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	b := entries.Bytes()
	option := map[string]any{"chunk": "c" + strconv.FormatBool(compress), "size": n}
	if compress {
		var z bytes.Buffer
		g := gzip.NewWriter(&z)
		_, _ = g.Write(b)
		_ = g.Close()
		b, option["compressed"] = z.Bytes(), "gzip"
	}
	w = msgp.NewWriter(&out)
	if err := errors.Join(w.WriteArrayHeader(3), w.WriteString("app"), w.WriteBytes(b), w.WriteMapStrIntf(option), w.Flush()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPackedModesAndTheirBounds(t *testing.T) {
	var got []Row
	receive := func(b []byte) (string, error) {
		var acks bytes.Buffer
		r := &Receiver{Namespace: "default", Log: quiet(), Keep: func(_ string, rows []Row, _ bool) error { got = append(got, rows...); return nil }}
		err := r.receive(duplex{bytes.NewReader(b), &acks})
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return acks.String(), err
	}
	for _, compress := range []bool{false, true} {
		got = nil
		acks, err := receive(packed(t, compress, 100, 10))
		if err != nil || len(got) != 100 || !strings.Contains(acks, "c"+strconv.FormatBool(compress)) {
			t.Errorf("compressed %t: %d rows, ack %q, %v", compress, len(got), acks, err)
		}
	}
	for what, b := range map[string][]byte{
		"larger than":  packed(t, true, 70_000, 1000),
		"at most":      {0xdd, 0xff, 0xff, 0xff, 0xff},
		"2 to 4":       {0x91, 0xa1, 'x'},
		"compressed":   {0x93, 0xa1, 'x', 0xc4, 1, 0, 0x81, 0xaa, 'c', 'o', 'm', 'p', 'r', 'e', 's', 's', 'e', 'd', 0xa2, 'x', 'z'},
		"GET / HTTP/1": []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		if _, err := receive(b); err == nil {
			t.Errorf("%s: is taken", what)
		}
	}
	deep := append([]byte{0x93, 0xa1, 'x', 0x01, 0x81, 0xa1, 'k'}, bytes.Repeat([]byte{0x91}, 1000)...)
	if _, err := receive(deep); err == nil {
		t.Error("a record a thousand levels deep is taken")
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(packed(f, false, 2, 1))
	f.Add(packed(f, true, 2, 1))
	f.Add([]byte{0x93, 0xa1, 'x', 0x01, 0x81, 0xa1, 'k', 0xa1, 'v'})
	f.Add([]byte{0x92, 0xa1, 'x', 0x91, 0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0x80})
	f.Add([]byte{0x92, 0xa1, 'x', 0x91, 0x92, 0x92, 1, 0x80, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(bound(msgp.NewReader(bytes.NewReader(b))))
		if err == nil && len(m.events) > maxRows {
			t.Fatal("too many events")
		}
		r := &Receiver{Keys: map[string]string{"a": "b"}, Keep: func(string, []Row, bool) error { return nil }, Log: quiet()}
		_ = r.receive(duplex{bytes.NewReader(b), io.Discard})
	})
}

// TestLinesThatComeBackEnd: an output that is our own input goes round a few times, and
// no more.
func TestLinesThatComeBackEnd(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	host, port := input(t, s, Input{Namespace: "default"})
	out := &Fluent{Address: net.JoinHostPort(host, strconv.Itoa(port))}
	if err := out.Open(); err != nil {
		t.Fatal(err)
	}
	spool, err := OpenSpool(t.TempDir(), 1<<20, out, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer runSpool(t, spool)()
	s.Copy(spool)
	if err := s.Keep("c1", []Row{NewRow(time.Now().UnixNano(), map[string]string{"namespace": "default", "_msg": "round"})}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it ends", func() bool { st := spool.State(); return st.Sent == maxRounds+1 && st.Chunks == 0 })
	eventually(t, "what went round is there", func() bool { return count(t, s, "default", "round") == maxRounds+1 })
}
