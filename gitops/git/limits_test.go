package git

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Threat 9: a push larger than the server takes.
func TestHugePackIsRefused(t *testing.T) {
	b := newBench(t)
	b.host.MaxPack = 100_000
	big := make([]byte, 1<<20)
	x := uint32(7)
	for i := range big {
		x = x*1664525 + 1013904223
		big[i] = byte(x >> 24)
	}
	b.commit("w", "big", string(big))
	b.refused("maximum allowed size", "w", "push", b.url("w"), "main")
	if st := b.status("w"); len(st.Refs) != 0 {
		t.Fatalf("recorded %+v", st.Refs)
	}
}

// Threat 8 and 9 at the protocol itself.
func TestBadRequests(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	const push = "application/x-git-receive-pack-request"
	var many strings.Builder
	for i := range maxCommands + 1 {
		many.WriteString(pkt(fmt.Sprintf("%s %s refs/heads/b%d", zeroHash, strings.Repeat("a", 40), i)))
	}
	for name, c := range map[string]struct {
		method, path, kind, encoding, body string
		code                               int
	}{
		"not packets":     {"POST", "/git/w.git/git-receive-pack", push, "", "hello there", 400},
		"cut short":       {"POST", "/git/w.git/git-receive-pack", push, "", "0099abc", 400},
		"not gzip":        {"POST", "/git/w.git/git-receive-pack", push, "gzip", "0000", 400},
		"other encoding":  {"POST", "/git/w.git/git-receive-pack", push, "br", "0000", 400},
		"too many":        {"POST", "/git/w.git/git-receive-pack", push, "", many.String(), 400},
		"wrong type":      {"POST", "/git/w.git/git-receive-pack", "text/plain", "", "0000", 415},
		"probe":           {"POST", "/git/w.git/git-receive-pack", push, "", "0000", 200},
		"dumb":            {"GET", "/git/w.git/info/refs", "", "", "", 403},
		"other service":   {"GET", "/git/w.git/info/refs?service=git-upload-archive", "", "", "", 403},
		"object":          {"GET", "/git/w.git/objects/info/packs", "", "", "", 404},
		"method":          {"DELETE", "/git/w.git/info/refs", "", "", "", 405},
		"refs by post":    {"POST", "/git/w.git/info/refs", "", "", "", 405},
		"option for name": {"GET", "/git/--upload-pack.git/info/refs?service=git-upload-pack", "", "", "", 404},
	} {
		r := httptest.NewRequest(c.method, c.path, bytes.NewBufferString(c.body))
		r.SetBasicAuth("x", "token-of-ann")
		r.Header.Set("Content-Type", c.kind)
		r.Header.Set("Git-Protocol", "version=2\nGIT_DIR=/")
		if c.encoding != "" {
			r.Header.Set("Content-Encoding", c.encoding)
		}
		w := httptest.NewRecorder()
		b.host.Handler().ServeHTTP(w, r)
		if w.Code != c.code {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, c.code)
		}
	}
}

func TestReadingGoesOnWhilePacksAreJoined(t *testing.T) {
	b := newBench(t)
	var c string
	for i := range 6 {
		c = b.commit("w", "a", fmt.Sprint(i))
		b.git("w", "push", "-q", b.url("w"), "main")
	}
	dir, _ := b.host.path("default", "w")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			b.host.repack(context.Background(), dir)
		}
	}()
	for going := true; going; {
		select {
		case <-done:
			going = false
		default:
		}
		if got, err := b.host.File(context.Background(), "default", "w", c, "a"); err != nil || string(got) != "5" {
			t.Fatalf("%q %v", got, err)
		}
	}
}

// A crowd of clones is served in turn, and one that cannot wait is told so.
func TestOnlySoManyPacksAtOnce(t *testing.T) {
	b := newBench(t)
	b.commit("w", "a", "1")
	b.git("w", "push", "-q", b.url("w"), "main")
	for range cap(b.host.places) {
		b.host.places <- struct{}{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequest("POST", "/git/w.git/git-upload-pack", strings.NewReader("0000")).WithContext(ctx)
	r.SetBasicAuth("x", "token-of-ann")
	r.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	w := httptest.NewRecorder()
	b.host.Handler().ServeHTTP(w, r)
	if w.Body.Len() > 0 {
		t.Fatalf("served %q", w.Body)
	}
	for range cap(b.host.places) {
		<-b.host.places
	}
	if res, err := http.Get(b.server.URL + "/git/w.git/info/refs?service=git-upload-pack"); err != nil || res.StatusCode != 401 {
		t.Fatal(res, err)
	}
	b.git("", "clone", "-q", b.url("w"), "c")
}
