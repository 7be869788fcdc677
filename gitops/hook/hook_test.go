package hook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func valid(s string) error {
	if s == "" || strings.ContainsAny(s, "/.%\x00") || strings.ToLower(s) != s {
		return errors.New("name")
	}
	return nil
}

func newHandler(t testing.TB, dir string) *Handler {
	s, err := Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &Handler{Spool: s, ValidName: valid, ValidNamespace: valid, Log: quiet,
		Secret: func(_ context.Context, ns, repo string) ([]byte, error) {
			switch ns + "/" + repo {
			case "default/shop":
				return []byte("key"), nil
			case "default/broken":
				return nil, errors.New("connection refused")
			}
			return nil, nil
		}}
}

func sign(key, body string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

func post(h http.Handler, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	h := newHandler(t, t.TempDir())
	body := `{"ref":"refs/heads/main"}`
	for _, c := range []struct {
		name, path, body string
		headers          []string
		code             int
	}{
		{"good", "/hooks/generic/shop", body, []string{"X-Signature", sign("key", body), "X-Delivery-Id", "1", "Content-Type", "application/json"}, 202},
		{"again", "/hooks/generic/shop", body, []string{"X-Signature", sign("key", body), "X-Delivery-Id", "1"}, 202},
		{"namespace", "/hooks/generic/default/shop", body, []string{"X-Signature", sign("key", body)}, 202},
		{"empty body", "/hooks/generic/shop", "", []string{"X-Signature", sign("key", "")}, 202},
		{"unsigned", "/hooks/generic/shop", body, nil, 401},
		{"short", "/hooks/generic/shop", body, []string{"X-Signature", sign("key", body)[:20]}, 401},
		{"not hex", "/hooks/generic/shop", body, []string{"X-Signature", "sha256=" + strings.Repeat("z", 64)}, 401},
		{"two", "/hooks/generic/shop", body, []string{"X-Signature", sign("key", body), "X-Signature", sign("key", body)}, 401},
		{"no secret at all", "/hooks/generic/none", body, []string{"X-Signature", sign("", body)}, 401},
		{"other tenant", "/hooks/generic/team/shop", body, []string{"X-Signature", sign("key", body)}, 401},
		{"path", "/hooks/generic/../shop", body, []string{"X-Signature", sign("key", body)}, 401},
		{"encoded", "/hooks/generic/sho%70", body, []string{"X-Signature", sign("key", body)}, 401},
		{"signed but not JSON", "/hooks/generic/shop", "{", []string{"X-Signature", sign("key", "{"), "Content-Type", "application/json"}, 400},
		{"wrong type", "/hooks/generic/shop", `{"ref":1}`, []string{"X-Signature", sign("key", `{"ref":1}`), "Content-Type", "application/json"}, 400},
		{"API away", "/hooks/generic/broken", body, []string{"X-Signature", sign("key", body)}, 503},
	} {
		if w := post(h, c.path, c.body, c.headers...); w.Code != c.code {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.code)
		}
	}
	wrong := post(h, "/hooks/generic/shop", body, "X-Signature", sign("other", body))
	unknown := post(h, "/hooks/generic/none", body, "X-Signature", sign("key", body))
	if wrong.Body.String() != unknown.Body.String() || fmt.Sprint(wrong.Header()) != fmt.Sprint(unknown.Header()) {
		t.Error("an unknown repository can be told from a wrong signature")
	}
	if w := post(h, "/hooks/generic/shop", strings.Repeat("x", MaxBody+1), "X-Signature", "x"); w.Code != 413 {
		t.Errorf("large body: %d", w.Code)
	}
	if n := len(h.Spool.pending()); n != 3 {
		t.Errorf("%d deliveries wait, want 3", n)
	}
}

func TestSpoolSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	add := func(s *Spool, id string) bool {
		t.Helper()
		fresh, err := s.Add(ctx, Delivery{Namespace: "default", Repository: "shop", ID: id, Received: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	for _, id := range []string{"a", "b", "c"} {
		if !add(s, id) {
			t.Fatal("not fresh")
		}
	}
	run := func(s *Spool, fail string, want int) []string {
		t.Helper()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var got []string
		err := s.Run(ctx, func(_ context.Context, d Delivery) error {
			if d.ID == fail {
				cancel()
				return errors.New("not now")
			}
			if got = append(got, d.ID); len(got) == want {
				cancel()
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := run(s, "b", 9); !slices.Equal(got, []string{"a"}) {
		t.Fatal(got)
	}
	// A crash: no Close, and a line cut short.
	f, err := os.OpenFile(filepath.Join(dir, "spool"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("0badc0de {\"delivery\":{\"names")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	s2, err := Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if add(s2, "a") || add(s2, "b") {
		t.Fatal("a repeat was taken as new")
	}
	if got := run(s2, "", 2); !slices.Equal(got, []string{"b", "c"}) {
		t.Fatal(got)
	}
	if err := s2.Close(); err != nil {
		t.Fatal(err)
	}
	s3, err := Open(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer s3.Close()
	if add(s3, "a") {
		t.Fatal("a repeat was taken as new after compaction")
	}
	if _, err := s2.Add(ctx, Delivery{ID: "x"}); err == nil {
		t.Fatal("a closed spool took a delivery")
	}
	s.Close()
}

func TestGroupCommit(t *testing.T) {
	s, err := Open(t.TempDir(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if fresh, err := s.Add(context.Background(), Delivery{Namespace: "d", Repository: "r", ID: fmt.Sprint(i % 250), Received: time.Now()}); err != nil {
				t.Error(fresh, err)
			}
		}()
	}
	wg.Wait()
	if n := len(s.pending()); n != 250 {
		t.Fatalf("%d wait, want 250", n)
	}
}

func FuzzDecode(f *testing.F) {
	line, _ := encode(record{Delivery: &Delivery{Namespace: "default", Repository: "shop", ID: "1"}})
	f.Add(bytes.TrimSpace(line))
	f.Add([]byte("00000000 {}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := decode(in)
		if err == nil && (r.Delivery == nil) == (r.Done == "") {
			t.Fatalf("%q became %+v", in, r)
		}
	})
}

func FuzzHandler(f *testing.F) {
	h := newHandler(f, f.TempDir())
	f.Add("/hooks/generic/shop", "sha256=00", `{"ref":"x"}`, "id", true)
	f.Add("/hooks/generic/a/b/c", "sha256=", "", "", false)
	f.Fuzz(func(t *testing.T, path, signature, body, id string, honest bool) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawPath = path, path
		if honest {
			signature = sign("key", body)
		}
		r.Header.Set("X-Signature", signature)
		r.Header.Set("X-Delivery-Id", id)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code/100 == 2 && signature != sign("key", body) {
			t.Fatalf("%q %q was accepted", path, signature)
		}
	})
}

// BenchmarkAccept is webhooks at 200 a second; it reports the 99th percentile.
func BenchmarkAccept(b *testing.B) {
	h := newHandler(b, b.TempDir())
	srv := httptest.NewServer(h)
	defer srv.Close()
	body := `{"ref":"refs/heads/main"}`
	sig := sign("key", body)
	took := make([]time.Duration, b.N)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var wg sync.WaitGroup
	b.ResetTimer()
	for i := range b.N {
		<-tick.C
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, _ := http.NewRequest(http.MethodPost, srv.URL+"/hooks/generic/shop", strings.NewReader(body))
			r.Header.Set("X-Signature", sig)
			r.Header.Set("X-Delivery-Id", fmt.Sprint(i))
			start := time.Now()
			res, err := http.DefaultClient.Do(r)
			took[i] = time.Since(start)
			if err != nil || res.StatusCode != http.StatusAccepted {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}()
	}
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
