package metrics

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
)

// TestRemoteWriteOut loses nothing while the receiver is away for its first requests. It has
// TLS of an authority of its own, and wants a password.
func TestRemoteWriteOut(t *testing.T) {
	var mu sync.Mutex
	away := 3
	got := map[float64]bool{}
	all := make(chan struct{})
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if user, password, _ := r.BasicAuth(); user != "slipway" || password != "planted" {
			t.Errorf("user %q, password %q", user, password)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if away > 0 {
			away--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		b, _ := io.ReadAll(r.Body)
		raw, err := snappy.Decode(nil, b)
		var req prompb.WriteRequest
		if err == nil {
			err = req.Unmarshal(raw)
		}
		if err != nil {
			t.Error(err)
			return
		}
		for _, s := range req.Timeseries {
			for _, sample := range s.Samples {
				if s.Labels[0].Value == "sent" {
					got[sample.Value] = true
				}
			}
		}
		if len(got) == 10 {
			select {
			case <-all:
			default:
				close(all)
			}
		}
	}))
	defer receiver.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "remote.yaml")
	for name, text := range map[string]string{
		"password": "planted", "ca.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: receiver.Certificate().Raw})),
		"remote.yaml": fmt.Sprintf("- url: %s\n  queue_config: {batch_send_deadline: 100ms, min_backoff: 30ms}\n  basic_auth: {username: slipway, password_file: %s/password}\n  tls_config: {ca_file: %s/ca.crt}\n", receiver.URL, dir, dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(noCluster), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m, err := Open(ctx, filepath.Join(dir, "tsdb"), Options{RemoteWrite: file, Targets: Targets{Interval: time.Minute, Kubeconfig: kubeconfig, Server: "127.0.0.1:1", TokenFile: kubeconfig}},
		nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	start := time.Now()
	for i := range 10 {
		a := m.store.Appender(t.Context())
		if _, err := a.Append(0, labels.FromStrings("__name__", "sent"), start.Add(time.Duration(i)*time.Second).UnixMilli()+1000, float64(i)); err != nil {
			t.Fatal(err)
		}
		if err := a.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-all:
	case <-time.After(2 * time.Minute):
		mu.Lock()
		t.Errorf("received %v", got)
		mu.Unlock()
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRemoteWritesThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{"url: x": "want a list", "- {}": "url", "- {url: 'http://x', no_such: 1}": "no_such"} {
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := RemoteWrites(file, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
