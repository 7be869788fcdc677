package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/observability/elastic"
	"slipway.dev/observability/elastic/remote"
	"slipway.dev/observability/logs"
)

// TestLinesAreFound: a line that comes to the stand-in for Fluentd as Slipway sends it is
// found in the one for Elasticsearch as Slipway asks, in its namespace alone.
func TestLinesAreFound(t *testing.T) {
	t.Setenv("ELASTIC_PASSWORD", "super")
	s := &search{dir: t.TempDir(), passwords: map[string]string{}, templates: map[string]bool{"_index_template": true}, ids: map[string]bool{}}
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
	s.passwords["slipway_writer"], s.passwords["slipway_reader"] = "w", "r"
	srv := httptest.NewServer(s)
	defer srv.Close()
	out := &output{client: srv.Client(), url: srv.URL + "/_bulk", user: "slipway_writer", password: "w", idKey: "slipway_id", indexKey: "slipway_index", indexIfNone: "slipway-logs-other-default"}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	receiver := &logs.Receiver{Keep: out.keep, Keys: map[string]string{"none": "key"}, Log: slog.New(slog.DiscardHandler)}
	go func() { _ = receiver.Serve(t.Context(), l) }()
	to := &logs.Fluent{Address: l.Addr().String(), Key: "key", IDField: "slipway_id", IndexField: "slipway_index", IndexPrefix: remote.Prefix}
	if err := to.Open(); err != nil {
		t.Fatal(err)
	}
	spool, err := logs.OpenSpool(filepath.Join(t.TempDir(), "spool"), 1<<20, to, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = spool.Run(t.Context()) }()
	row := logs.NewRow(time.Now().UnixNano(), map[string]string{"namespace": "default", "pod": "p", "container": "c", "_msg": "a-word-for-the-stack"})
	if err := spool.Put("chunk", []logs.Row{row}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); spool.State().Chunks > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("not taken: %+v", spool.State())
		}
		time.Sleep(10 * time.Millisecond)
	}
	r := &remote.Remote{URL: srv.URL, Credentials: "slipway_reader:r"}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	text, err := elastic.FromLogsQL("a-word-for-the-stack")
	if err != nil {
		t.Fatal(err)
	}
	for namespace, want := range map[string]bool{"default": true, "kube-system": false, "none": false} {
		var b bytes.Buffer
		q := logs.Query{Namespace: namespace, Text: text, Start: time.Now().Add(-time.Hour), End: time.Now(), Limit: 10}
		if err := r.Search(t.Context(), &b, q); err != nil || strings.Contains(b.String(), "a-word") != want {
			t.Errorf("%s: %v %s", namespace, err, b.String())
		}
	}
	r.Credentials = "slipway_writer:w"
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	if err := r.Search(t.Context(), io.Discard, logs.Query{Namespace: "default", Limit: 1}); err == nil {
		t.Error("the one who writes reads")
	}
}
