package metrics

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
)

// TestMain is also the process that TestKillNine kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SLIPWAY_METRICS_TEST_DIR"); dir != "" {
		fmt.Fprintln(os.Stderr, serve(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// at opens the store in a directory.
func at(ctx context.Context, dir string, o Options) (*Metrics, error) {
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(noCluster), 0o600); err != nil {
		return nil, err
	}
	o.Targets = Targets{Interval: time.Minute, Kubeconfig: kubeconfig, Server: "127.0.0.1:1", TokenFile: kubeconfig}
	return Open(ctx, filepath.Join(dir, "tsdb"), o, nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
}

func serve(dir string) error {
	m, err := at(context.Background(), dir, Options{ReceiveWrites: true})
	if err != nil {
		return err
	}
	sock := filepath.Join(dir, "s")
	_ = os.Remove(sock)
	l, err := net.Listen("unix", sock)
	if err != nil {
		return err
	}
	go func() { fmt.Fprintln(os.Stderr, m.Run(context.Background())) }()
	return http.Serve(l, m.Handler())
}

// TestKillNine counts: of the samples that were acknowledged to a remote_write while the
// process was killed time and again, each is there, once.
func TestKillNine(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "kill") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	kills, ended, acks := 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "SLIPWAY_METRICS_TEST_DIR="+dir)
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			select { // it lived, and is killed in the middle of its work
			case <-ctx.Done():
			case <-acks:
				<-time.After(rand.N(500 * time.Millisecond))
				kills++
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "s"))
	}}}
	const series = 200
	acknowledged, again := 0, 0
	from := time.Now().Add(-10 * time.Minute).UnixMilli()
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end); {
		w := &prompb.WriteRequest{}
		for n := range series {
			w.Timeseries = append(w.Timeseries, prompb.TimeSeries{
				Labels:  []prompb.Label{{Name: "__name__", Value: "written"}, {Name: "n", Value: fmt.Sprint(n)}},
				Samples: []prompb.Sample{{Value: float64(acknowledged), Timestamp: from + int64(acknowledged/series)*10}},
			})
		}
		b, err := w.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		for giveUp := time.Now().Add(time.Minute); ; {
			if time.Now().After(giveUp) {
				t.Fatal("nobody answers")
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://s/api/v1/write", bytes.NewReader(snappy.Encode(nil, b)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{ScopeHeader: {"*"}, "Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"snappy"}}
			resp, err := client.Do(req)
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusNoContent {
					break
				}
				if resp.StatusCode < 500 {
					t.Fatalf("%d", resp.StatusCode)
				}
			}
			again++
			<-time.After(5 * time.Millisecond)
		}
		acknowledged += series
		select {
		case acks <- struct{}{}:
		default:
		}
	}
	cancel()
	<-ended
	t.Logf("%d samples acknowledged, %d kills, %d requests sent again", acknowledged, kills, again)
	if kills < 3 || acknowledged < 10*series {
		t.Error("that proves nothing")
	}
	count := func(t *testing.T, dir string) (string, *Metrics) {
		t.Helper()
		m, err := at(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := ask(m, "*", "GET", "/api/v1/query?query="+url.QueryEscape(`sum(count_over_time(written[1h]))`), nil)
		return w.Body.String(), m
	}
	body, m := count(t, dir)
	if !strings.Contains(body, fmt.Sprintf("%q", fmt.Sprint(acknowledged))) {
		t.Errorf("%d were acknowledged: %s", acknowledged, body)
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	// What a crash of the machine or a bad disk makes of the last segment.
	for name, harm := range map[string]func([]byte) []byte{
		"cut in a record":  func(b []byte) []byte { return b[:len(b)-11] },
		"garbage appended": func(b []byte) []byte { return append(b, bytes.Repeat([]byte("\x03garbage"), 5000)...) },
		"a byte flipped": func(b []byte) []byte {
			b[len(b)*9/10] ^= 0xff
			return b
		},
		"zeros at the end": func(b []byte) []byte { return append(b[:len(b)-50], make([]byte, 70000)...) },
	} {
		t.Run(name, func(t *testing.T) {
			harmed := t.TempDir()
			if err := os.CopyFS(filepath.Join(harmed, "tsdb"), os.DirFS(filepath.Join(dir, "tsdb"))); err != nil {
				t.Fatal(err)
			}
			segments, err := filepath.Glob(filepath.Join(harmed, "tsdb", "wal", "0*"))
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(segments)
			for i := len(segments) - 1; ; i-- { // an empty one was begun by the last start
				b, err := os.ReadFile(segments[i])
				if err != nil {
					t.Fatal(err)
				}
				if len(b) > 1000 {
					if err := os.WriteFile(segments[i], harm(b), 0o600); err != nil {
						t.Fatal(err)
					}
					break
				}
			}
			body, m := count(t, harmed)
			if !strings.Contains(body, `"value"`) {
				t.Errorf("nothing is left: %s", body)
			}
			a := m.store.Appender(t.Context())
			if _, err := a.Append(0, labels.FromStrings("__name__", "after"), time.Now().UnixMilli(), 1); err != nil {
				t.Error(err)
			}
			if err := a.Commit(); err != nil {
				t.Error(err)
			}
			if w := ask(m, "*", "GET", "/api/v1/query?query=after", nil); !strings.Contains(w.Body.String(), `"1"`) {
				t.Errorf("not written: %s", w.Body)
			}
			if err := m.close(); err != nil {
				t.Error(err)
			}
		})
	}
}
