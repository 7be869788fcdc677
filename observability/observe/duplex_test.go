package observe

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestAnAnswerIsWholeBeforeItsRequestIs: what the child answers gets through while the end of
// the request is still on its way.
func TestAnAnswerIsWholeBeforeItsRequestIs(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "o")
	l, err := listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("an answer ", 100_000)
	child := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		w.Header().Set("Content-Length", strconv.Itoa(len(want)))
		_, _ = io.WriteString(w, want)
		_ = rc.Flush()
		_, _ = io.Copy(io.Discard, r.Body)
	})}
	go func() { _ = child.Serve(l) }()
	defer child.Close()
	front := httptest.NewServer(NewClient(socket, "").Elastic())
	defer front.Close()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	body, more := io.Pipe()
	defer more.Close()
	go func() { _, _ = more.Write([]byte("{")) }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, front.URL+"/elastic/_search", body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 2
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || string(got) != want {
		t.Fatalf("%d bytes of %d: %v", len(got), len(want), err)
	}
	_, _ = more.Write([]byte("}"))
}
