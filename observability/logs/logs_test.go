package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// eventually fails the test unless ok becomes true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 2 minutes", what)
		}
	}
}

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenStore(dir, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// runStore runs s until stop is called.
func runStore(t *testing.T, s *Store) (stop func()) {
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

func search(t *testing.T, s *Store, namespace, text string) []map[string]string {
	t.Helper()
	var b bytes.Buffer
	err := s.Search(t.Context(), &b, Query{Namespace: namespace, Text: text, Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Hour), Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if line == "" {
			continue
		}
		var row map[string]string
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func record(tag, text string) string {
	return fmt.Sprintf("%s stdout %s %s\n", time.Now().UTC().Format(time.RFC3339Nano), tag, text)
}

func TestLinesOfAPodAreFoundAfterItsFilesAreGone(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, filepath.Join(dir, "store"))
	defer runStore(t, store)()
	sock := filepath.Join(dir, "forward.sock")
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	received, collected := make(chan error, 1), make(chan error, 1)
	go func() { received <- (&Receiver{Own: true, Keep: store.Receive, Log: quiet()}).Serve(ctx, l) }()
	pods := filepath.Join(dir, "pods")
	c := &Collector{
		Dir: pods, Positions: filepath.Join(dir, "positions.json"), Log: quiet(),
		Sender: NewSender(func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", sock)
		}),
		Labels: func(ns, pod string) map[string]string { return map[string]string{"application": "shop"} },
	}
	go func() { collected <- c.Run(ctx) }()
	defer func() {
		cancel()
		for _, done := range []chan error{received, collected} {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}()

	container := filepath.Join(pods, "default_shop-1_uid", "web")
	if err := os.MkdirAll(container, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(container, "0.log"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, record("F", "first line"), record("P", "begun "), "garbage\n", record("F", "and ended"))
	eventually(t, "lines found", func() bool { return len(search(t, store, "default", "")) == 2 })
	if err := os.Rename(f.Name(), f.Name()+".rotated"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, record("F", "written after the rotation"))
	if err := os.WriteFile(f.Name(), []byte(record("F", "in the new file")), 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both sides of a rotation", func() bool { return len(search(t, store, "default", "")) == 4 })
	if err := os.RemoveAll(pods); err != nil {
		t.Fatal(err)
	}
	rows := search(t, store, "default", `"begun and ended"`)
	if len(rows) != 1 || rows[0]["pod"] != "shop-1" || rows[0]["container"] != "web" || rows[0]["application"] != "shop" {
		t.Fatalf("got %v", rows)
	}
}

func TestAQueryStaysInItsNamespace(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer runStore(t, store)()
	at := time.Now().UnixNano()
	err := store.Keep("c1", []Row{
		NewRow(at, map[string]string{"namespace": "default", "_msg": "mine"}),
		NewRow(at, map[string]string{"namespace": "other", "_msg": "theirs"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "stored", func() bool { return len(search(t, store, "other", "")) == 1 })
	for _, text := range []string{"", "namespace:other", "mine or theirs", "* or namespace:=other", "* | union (namespace:other)", "* | join by (namespace) (namespace:other | fields namespace, _msg) inner", "theirs | stream_context before 5 after 5", `* | filter namespace:in(namespace:other | fields namespace)`, `_msg:in(namespace:=other | fields _msg) or theirs`} {
		for _, row := range search(t, store, "default", text) {
			if row["_msg"] != "mine" {
				t.Errorf("query %q shows %v", text, row)
			}
		}
	}
}

func TestWhatWasAcknowledgedIsStoredOnceAfterACrash(t *testing.T) {
	dir := t.TempDir()
	rows := []Row{NewRow(time.Now().UnixNano(), map[string]string{"namespace": "default", "_msg": "kept"})}
	l, _, err := openChunkLog(filepath.Join(dir, "chunks"))
	if err != nil {
		t.Fatal(err)
	}
	// The state that a kill leaves between the acknowledgement and the flush, with a torn record behind it.
	if err := l.append(chunk{ID: "c1", Rows: rows}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.current.Write([]byte{0, 0, 1, 0, 1, 2, 3, 4, '{'}); err != nil {
		t.Fatal(err)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := openStore(t, dir)
		if err := s.Keep("c1", rows); err != nil { // the sender, having seen no answer
			t.Fatal(err)
		}
		eventually(t, "stored", func() bool { return len(search(t, s, "default", "kept")) > 0 })
		if got := search(t, s, "default", "kept"); len(got) != 1 {
			t.Fatalf("stored %d times", len(got))
		}
		runStore(t, s)()
	}
}

func FuzzParseCRI(f *testing.F) {
	f.Add([]byte("2026-01-02T03:04:05.6Z stdout F text"))
	f.Add([]byte("2026-01-02T03:04:05Z stderr P:x "))
	f.Add([]byte(" "))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseCRI(b)
		if err == nil && len(l.text) > len(b) {
			t.Fatal("more text than input")
		}
	})
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x93, 0xa1, 'x', 0x90, 0x80})
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &Receiver{Keep: func(string, []Row, bool) error { return nil }, Log: quiet()}
		_ = r.receive(duplex{bytes.NewReader(b), io.Discard})
	})
}

type duplex struct {
	io.Reader
	io.Writer
}

func TestChunksAreReadAsTheyWereWritten(t *testing.T) {
	c := chunk{ID: "c1", Rows: []Row{NewRow(-5, map[string]string{"a": "", "b": "\x00ü"}), {}, NewRow(1<<62, map[string]string{"_msg": strings.Repeat("x", 300)})}}
	b := appendChunk(nil, c)
	got, err := decodeChunk(b)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Fatalf("got %v, %v", got, err)
	}
	for n := range b {
		if _, err := decodeChunk(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken for a chunk", n, len(b))
		}
	}
}

func FuzzDecodeChunk(f *testing.F) {
	f.Add(appendChunk(nil, chunk{ID: "c1", Rows: []Row{NewRow(1, map[string]string{"a": "b"})}}))
	f.Add([]byte{1, 'x', 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = decodeChunk(b) })
}

func TestRowsThatACrashLeftOutArePutBack(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	at := time.Now().UnixNano()
	c := chunk{ID: "c1"}
	for _, text := range []string{"one", "two", "two", "three"} {
		c.Rows = append(c.Rows, NewRow(at, map[string]string{"namespace": "default", "_msg": text}))
	}
	s.add(c, func(number string, _ Row) bool { return number < "2" }) // what of it came to disk
	s.Flush()
	for range 2 {
		if err := s.putBack(c); err != nil {
			t.Fatal(err)
		}
		s.Flush()
		if got := search(t, s, "default", ""); len(got) != 4 {
			t.Fatalf("%d rows: %v", len(got), got)
		}
	}
}

func TestASelectionWithoutNamespacesIsEmpty(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	if err := s.Keep("", []Row{NewRow(time.Now().UnixNano(), map[string]string{"namespace": "default", "_msg": "x"})}); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	for want, sel := range map[int]Selection{0: {Text: "*"}, 1: {Text: "*", Namespaces: []string{"a", "default"}}} {
		n := 0
		if err := s.Select(t.Context(), sel, func([]Field) { n++ }); err != nil || n != want {
			t.Errorf("%v: %d rows, %v", sel, n, err)
		}
	}
}

func TestOverviewAndContext(t *testing.T) {
	s := openStore(t, t.TempDir())
	defer runStore(t, s)()
	start := time.Now().Add(-time.Hour).Truncate(time.Minute)
	var rows []Row
	for i := range 60 {
		level, pod := "info", "shop-1"
		if i%10 == 0 {
			level = "error"
		}
		if i%2 == 0 {
			pod = "shop-2"
		}
		rows = append(rows, NewRow(start.Add(time.Duration(i)*time.Minute).UnixNano(), map[string]string{
			"namespace": "default", "pod": pod, "container": "web", "level": level, "_msg": fmt.Sprintf("<b>line</b> %d", i),
		}))
	}
	rows = append(rows, NewRow(start.UnixNano(), map[string]string{"namespace": "other", "pod": "theirs", "container": "web", "_msg": "line of others"}))
	if err := s.Keep("c1", rows); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	o, err := s.Overview(t.Context(), Query{Namespace: "default", Text: "line", Start: start, End: start.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, b := range o.Buckets {
		total += b.Count
	}
	if o.Step != time.Minute || len(o.Buckets) != 60 || total != 60 || o.Buckets[5].Count != 1 {
		t.Errorf("step %s, %d buckets, %d lines", o.Step, len(o.Buckets), total)
	}
	facets := map[string]string{}
	for _, f := range o.Facets {
		facets[f.Field] = fmt.Sprint(f.Values)
	}
	if facets["level"] != "[{info 54} {error 6}]" || facets["pod"] != "[{shop-1 30} {shop-2 30}]" || facets["namespace"] != "" {
		t.Errorf("facets %v", facets)
	}
	var b bytes.Buffer
	err = s.Context(t.Context(), &b, Around{Namespace: "default", Pod: "shop-1", Container: "web", At: start.Add(31 * time.Minute), Before: 2, After: 1})
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		var row map[string]string
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		got = append(got, row["_msg"])
	}
	if err != nil || strings.Join(got, ",") != "<b>line</b> 27,<b>line</b> 29,<b>line</b> 31,<b>line</b> 33" {
		t.Errorf("context %q, %v", got, err)
	}
	b.Reset()
	if err := s.Context(t.Context(), &b, Around{Namespace: "default", Pod: "theirs", Container: "web", At: start, Before: 5, After: 5}); err != nil || b.Len() > 0 {
		t.Errorf("another namespace's context: %s %v", b.String(), err)
	}
}
