package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway.dev/observability/logs"
	"slipway.dev/observability/logs/logstest"
)

// fluentd is a forward input that remembers the lines it was given.
type fluentd struct {
	address string
	mu      sync.Mutex
	got     []logs.Row
}

func newFluentd(t *testing.T) *fluentd {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fluentd{address: l.Addr().String()}
	r := &logs.Receiver{Keys: map[string]string{"there": "a-key-of-both-sides"}, Log: slog.New(slog.DiscardHandler), Keep: func(_ string, rows []logs.Row, _ bool) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.got = append(f.got, rows...)
		return nil
	}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-done })
	return f
}

// lines that came, with the fields that are of the way only.
func (f *fluentd) lines() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, r := range f.got {
		out = append(out, fmt.Sprintf("%s %s %s", r.Get("_msg"), r.Get("id"), r.Get("index")))
	}
	return strings.Join(out, ", ")
}

// TestAnOutputComesAndGoes while the child runs: lines wait for one that is away, go on
// elsewhere when it moves, survive the child's end, and are forgotten with it.
func TestAnOutputComesAndGoes(t *testing.T) {
	dir := t.TempDir()
	store, _ := logstest.Run(t, filepath.Join(dir, "store"))

	var o *output
	var child context.Context
	var end context.CancelFunc
	begin := func() {
		t.Helper()
		child, end = context.WithCancel(context.Background())
		o = &output{dir: filepath.Join(dir, "buffer", "stack"), max: 1 << 20, store: store, log: slog.New(slog.DiscardHandler)}
		if err := o.open(child); err != nil {
			t.Fatal(err)
		}
	}
	stop := func() {
		t.Helper()
		end()
		if err := o.run(child); err != nil {
			t.Error(err)
		}
	}
	ask := func(method string, to *logs.Fluent) {
		t.Helper()
		srv := httptest.NewUnstartedServer(nil)
		mux := http.NewServeMux()
		mux.HandleFunc("PUT "+outputPath, o.put)
		mux.HandleFunc("DELETE "+outputPath, o.delete)
		socket := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		srv.Listener, srv.Config.Handler = l, mux
		srv.Start()
		defer srv.Close()
		if err := NewClient(socket, "").SendTo(t.Context(), to, false); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
	keep := func(text string) {
		t.Helper()
		row := logs.NewRow(time.Now().UnixNano(), map[string]string{"namespace": "default", "_msg": text})
		if err := store.Keep("chunk-"+text, []logs.Row{row}); err != nil {
			t.Fatal(err)
		}
	}
	come := func(f *fluentd, want string) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); f.lines() != want; <-time.After(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("came: %s; want %s", f.lines(), want)
			}
		}
	}
	to := func(address string) *logs.Fluent {
		return &logs.Fluent{Address: address, Key: "a-key-of-both-sides", IDField: "id", IndexField: "index", IndexPrefix: "slipway-"}
	}
	line := func(text string) string { return text + " chunk-" + text + "-0 slipway-logs-pods-default" }

	begin()
	keep("before")
	first, second := newFluentd(t), newFluentd(t)
	ask("PUT", to("127.0.0.1:1")) // nobody is there
	keep("waits")
	ask("PUT", to(first.address))
	come(first, line("waits"))
	ask("PUT", to(first.address)) // as it is already
	keep("goes on")
	come(first, line("waits")+", "+line("goes on"))
	ask("PUT", to(second.address))
	keep("moved")
	come(second, line("moved"))
	if fi, err := os.Stat(o.file()); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the shared key is kept in %v, %v", fi, err)
	}
	ask("PUT", to("127.0.0.1:1"))
	keep("left")
	stop()
	store.Uncopy(o.spool)
	begin()
	ask("PUT", to(second.address))
	come(second, line("moved")+", "+line("left"))
	ask("DELETE", nil)
	ask("DELETE", nil) // and again
	keep("after")
	if names, _ := filepath.Glob(filepath.Join(dir, "buffer", "*")); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
	stop()
	begin()
	if o.spool != nil {
		t.Error("an output that was taken away is back")
	}
	stop()
	if got := first.lines(); got != line("waits")+", "+line("goes on") {
		t.Errorf("the first has %s", got)
	}
}
