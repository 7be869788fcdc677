package front

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Who reads slowly does not keep a server that is to stop; who writes slowly does.
func TestASlowReaderDoesNotKeepAServerFromStopping(t *testing.T) {
	l, err := Listen("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	began, stored := make(chan struct{}, 8), make(chan string, 1)
	page := make([]byte, 1<<20)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		if r.Method == http.MethodPut {
			all, _ := io.ReadAll(r.Body)
			stored <- string(all)
			return
		}
		for { // a clone that never ends, of which nobody reads
			if _, err := w.Write(page); err != nil {
				return
			}
		}
	})
	const grace = 6 * time.Second
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, handler, []Listener{l}, grace, slog.New(slog.DiscardHandler)) }()
	url := "http://" + l.Addr().String()
	for _, r := range []struct{ method, path string }{{"GET", "/v2/app/blobs/x"}, {"POST", "/git/app.git/git-upload-pack"}} {
		req, err := http.NewRequestWithContext(t.Context(), r.method, url+r.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
	}
	from, to := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", url+"/v2/app/blobs/uploads/x", from)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		done <- err
	}()
	for range 3 {
		<-began
	}
	if _, err := io.WriteString(to, "one "); err != nil {
		t.Fatal(err)
	}
	asked := time.Now()
	stop()
	// The writer goes on when the readers are gone, and then nobody is waited for.
	time.AfterFunc(grace/2, func() {
		_, _ = io.Copy(to, strings.NewReader("two"))
		_ = to.Close()
	})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(asked); took < grace/2 || took > grace-time.Second {
		t.Errorf("stopped after %v", took)
	}
	if err := <-done; err != nil {
		t.Errorf("the upload: %v", err)
	}
	if got := <-stored; got != "one two" {
		t.Errorf("stored %q", got)
	}
}
