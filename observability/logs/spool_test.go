package logs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fickle is an output that is away, refuses, or takes.
type fickle struct {
	mu    sync.Mutex
	err   error
	got   []string
	tried int
}

func (f *fickle) Name() string { return "fickle" }

func (f *fickle) Send(_ context.Context, id string, rows []Row, _ bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried++
	if f.err == nil {
		f.got = append(f.got, fmt.Sprintf("%s/%d", id, len(rows)))
	}
	return f.err
}

func (f *fickle) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fickle) state() (tried int, got string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tried, fmt.Sprint(f.got)
}

func runSpool(t *testing.T, s *Spool) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestASpoolOutlivesAnOutputThatIsAwayAndItself(t *testing.T) {
	dir, out := t.TempDir(), &fickle{err: errors.New("away")}
	row := []Row{NewRow(time.Now().UnixNano(), map[string]string{"namespace": "default", "_msg": "x"})}
	for i := range 3 {
		s, err := OpenSpool(dir, 1<<20, out, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := s.Waiting(); n != i {
			t.Fatalf("%d chunks wait, want %d", n, i)
		}
		before, _ := out.state()
		stop := runSpool(t, s)
		if err := s.Put("c"+strconv.Itoa(i), row); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a try", func() bool { n, _ := out.state(); return n > before })
		stop()
	}
	s, err := OpenSpool(dir, 1<<20, out, quiet())
	if err != nil {
		t.Fatal(err)
	}
	out.set(nil)
	defer runSpool(t, s)()
	eventually(t, "all are sent in order", func() bool { _, got := out.state(); return got == "[c0/1 c1/1 c2/1]" })
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	out.set(ErrRefused)
	if err := s.Put("bad", row); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what is refused does not block", func() bool { n, _ := s.Waiting(); return n == 0 })
	out.set(nil)
	if err := s.Put("good", row); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next", func() bool { _, got := out.state(); return got == "[c0/1 c1/1 c2/1 good/1]" })
}

func TestAFullSpoolLosesItsOldest(t *testing.T) {
	out := &fickle{}
	s, err := OpenSpool(t.TempDir(), 1000, out, quiet())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := s.Put(strconv.Itoa(i), []Row{NewRow(1, map[string]string{"_msg": fmt.Sprintf("%0300d", i)})}); err != nil {
			t.Fatal(err)
		}
	}
	if _, bytes := s.Waiting(); bytes > 1000 {
		t.Errorf("%d bytes wait", bytes)
	}
	defer runSpool(t, s)()
	eventually(t, "the newest are sent", func() bool { _, got := out.state(); return got == "[7/1 8/1 9/1]" })
}

// TestLinesGoToAFluentd has our own forward input, with TLS and a shared key, stand for it.
func TestLinesGoToAFluentd(t *testing.T) {
	there := openStore(t, t.TempDir())
	defer runStore(t, there)()
	dir := t.TempDir()
	keys, own := filepath.Join(dir, "keys"), filepath.Join(dir, "key")
	cert, key := certificate(t)
	for file, text := range map[string]string{keys: "theirs a-key-of-both-sides\n", own: "a-key-of-both-sides\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host, port := input(t, there, Input{KeysFile: keys, CertFile: cert, KeyFile: key})
	// The certificate is for the address, and not for this name of it.
	out := &Fluent{Address: net.JoinHostPort("localhost", strconv.Itoa(port)), CAFile: cert, KeyFile: own, Tag: "cluster", IDField: "slipway_id"}
	if err := out.Open(); err != nil {
		t.Fatal(err)
	}
	if err := out.Send(t.Context(), "c0", []Row{NewRow(1, nil)}, false); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("a certificate of somebody else: %v", err)
	}
	out.ServerName = host
	if err := out.Open(); err != nil {
		t.Fatal(err)
	}
	spool, err := OpenSpool(filepath.Join(dir, "spool"), 1<<20, out, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer runSpool(t, spool)()
	here := openStore(t, t.TempDir())
	defer runStore(t, here)()
	here.Copy(spool)
	at := time.Now().Truncate(time.Second).Add(123456789)
	for range 2 {
		if err := here.Keep("c1", []Row{NewRow(at.UnixNano(), map[string]string{"namespace": "default", "pod": "shop-1", "_msg": "to both"})}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the line is there", func() bool { return count(t, there, "theirs", `"to both"`) == 1 })
	// A chunk that is larger than their messages may be comes whole, and once.
	many := make([]Row, 60_000)
	for i := range many {
		many[i] = NewRow(at.Add(time.Duration(i)).UnixNano(), map[string]string{"namespace": "default", "_msg": "many", "pad": strings.Repeat("x", 300)})
	}
	for range 2 {
		if err := out.Send(t.Context(), "c2", many, false); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are there", func() bool {
		there.Flush()
		rows := search(t, there, "theirs", `"many" | stats count() n`)
		return len(rows) == 1 && rows[0]["n"] == strconv.Itoa(len(many))
	})
	row := search(t, there, "theirs", `"to both"`)[0]
	if row["pod"] != "shop-1" || row["tag"] != "cluster" || row["slipway_id"] != "c1-0" || row["_time"] != at.UTC().Format(time.RFC3339Nano) {
		t.Errorf("got %v", row)
	}
	if n := count(t, here, "default", `"to both"`); n != 1 {
		t.Errorf("%d lines here", n)
	}
}
