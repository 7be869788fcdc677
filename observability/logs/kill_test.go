package logs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain is also the two processes that TestKillNine kills.
func TestMain(m *testing.M) {
	dir := os.Getenv("SLIPWAY_LOGS_TEST_DIR")
	switch os.Getenv("SLIPWAY_LOGS_TEST_ROLE") {
	case "store":
		fail(storeRole(dir))
	case "collector":
		c := testCollector(dir)
		fail(c.Run(context.Background()))
	}
	os.Exit(m.Run())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func storeRole(dir string) error {
	s, err := OpenStore(filepath.Join(dir, "store"), quiet())
	if err != nil {
		return err
	}
	sock := filepath.Join(dir, "forward.sock")
	_ = os.Remove(sock)
	l, err := net.Listen("unix", sock)
	if err != nil {
		return err
	}
	go func() { fail(s.Run(context.Background())) }()
	return (&Receiver{Own: true, Keep: s.Receive, Log: quiet()}).Serve(context.Background(), l)
}

func testCollector(dir string) *Collector {
	return &Collector{
		Dir: filepath.Join(dir, "pods"), Positions: filepath.Join(dir, "positions.json"), Log: quiet(),
		Sender: NewSender(func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "forward.sock"))
		}),
		Labels: func(string, string) map[string]string { return nil },
	}
}

// keepAlive runs a role and kills it with signal 9 at some moment, again and again, until
// stop is called; then the last one is killed too.
func keepAlive(t *testing.T, dir, role string, every time.Duration) (stop func() (kills int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int)
	go func() {
		kills := 0
		defer func() { done <- kills }()
		for ctx.Err() == nil {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "SLIPWAY_LOGS_TEST_ROLE="+role, "SLIPWAY_LOGS_TEST_DIR="+dir)
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(every/2 + rand.N(every)):
				kills++
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	return func() int {
		cancel()
		return <-done
	}
}

// TestKillNine counts: of the lines that were written while both the collector and the
// store were killed time and again, each is found, and found once.
func TestKillNine(t *testing.T) {
	dir := t.TempDir()
	container := filepath.Join(dir, "pods", "default_shop-1_uid", "web")
	if err := os.MkdirAll(container, 0o755); err != nil {
		t.Fatal(err)
	}
	stopStore := keepAlive(t, dir, "store", 700*time.Millisecond)
	stopCollector := keepAlive(t, dir, "collector", 500*time.Millisecond)
	file := filepath.Join(container, "0.log")
	written := 0
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for range 50 + rand.IntN(500) {
			if written%7 == 0 {
				b.WriteString(record("P", fmt.Sprintf("part of %d, ", written)))
			}
			b.WriteString(record("F", fmt.Sprintf("line number-%d", written)))
			written++
		}
		// Writers do not write whole lines either.
		half := rand.IntN(b.Len())
		for _, part := range []string{b.String()[:half], b.String()[half:]} {
			if _, err := f.WriteString(part); err != nil {
				t.Fatal(err)
			}
			<-time.After(rand.N(20 * time.Millisecond))
		}
		_ = f.Close()
		if fi, err := os.Stat(file); err == nil && fi.Size() > 300_000 {
			if err := os.Rename(file, fmt.Sprintf("%s.%d", file, written)); err != nil {
				t.Fatal(err)
			}
			// The kubelet keeps rotated files; a collector that is down reads them when it is back.
		}
	}
	kills := stopCollector() + stopStore()
	s := openStore(t, filepath.Join(dir, "store"))
	defer runStore(t, s)()
	sock := filepath.Join(dir, "forward.sock")
	_ = os.Remove(sock)
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- (&Receiver{Own: true, Keep: s.Receive, Log: quiet()}).Serve(ctx, l) }()
	c := testCollector(dir)
	go func() { done <- c.Run(ctx) }()
	defer func() { cancel(); <-done; <-done }()
	stored := func() (n int) {
		s.Flush()
		if err := s.Select(t.Context(), Selection{Every: true, Text: "* | stats count() n"}, func(f []Field) { _, _ = fmt.Sscan(f[0].Value, &n) }); err != nil {
			t.Error(err)
		}
		return n
	}
	// Whether it is all of them is counted below, line by line.
	for end := time.Now().Add(2 * time.Minute); stored() < written && time.Now().Before(end); <-time.After(100 * time.Millisecond) {
	}
	times := make([]int, written)
	err = s.Select(t.Context(), Selection{Every: true, Text: "* | fields _msg"}, func(fields []Field) {
		var n int
		_, after, ok := strings.Cut(fields[0].Value, "number-")
		if _, err := fmt.Sscan(after, &n); err != nil || !ok || n >= written {
			t.Errorf("a line nobody wrote: %q", fields[0].Value)
			return
		}
		if strings.HasPrefix(fields[0].Value, "part of") != (n%7 == 0) {
			t.Errorf("not as it was written: %q", fields[0].Value)
		}
		times[n]++
	})
	if err != nil {
		t.Fatal(err)
	}
	lost, twice := 0, 0
	for _, n := range times {
		if n == 0 {
			lost++
		} else if n > 1 {
			twice++
		}
	}
	t.Logf("%d lines, %d kills: %d lost, %d twice", written, kills, lost, twice)
	if lost > 0 || twice > 0 {
		t.Errorf("of %d lines, %d are lost and %d are there twice, after %d kills", written, lost, twice, kills)
	}
}
