package git

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// behind is a forge in front of another: it may change what it answers.
func behind(t *testing.T, up *bench, answer func(w http.ResponseWriter, r *http.Request, next http.Handler)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r, up.host.Handler()) }))
	t.Cleanup(s.Close)
	return s.URL + "/git/w.git"
}

// cutWriter ends the connection after so many bytes.
type cutWriter struct {
	http.ResponseWriter
	left int
	cut  bool
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		c.left, c.cut = 0, true
		return 0, io.ErrClosedPipe
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

func (c *cutWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Threat 21: a fetch that ends early, wherever, leaves the mirror as it was, and the next
// one brings all.
func TestFetchCutShort(t *testing.T) {
	up := upstream(t)
	up.commit("w", "a", noise(50_000))
	up.git("w", "push", "-q", up.url("w"), "main")
	left := -1
	url := behind(t, up, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/git-upload-pack") && left >= 0 {
			c := &cutWriter{ResponseWriter: w, left: left}
			next.ServeHTTP(c, r)
			if c.cut {
				panic(http.ErrAbortHandler)
			}
			return
		}
		next.ServeHTTP(w, r)
	})
	b := newBench(t)
	src := Source{URL: url, Remote: Remote{Private: true}}
	try := func(want string) {
		t.Helper()
		for _, left = range []int{0, 3, 100, 20_000} {
			if err := b.host.Fetch(context.Background(), "default", "copy", src); err == nil {
				t.Fatalf("cut after %d bytes and taken", left)
			}
			if got, _ := b.host.Branches(t.Context(), "default", "copy"); got["main"] != want {
				t.Fatalf("cut after %d bytes: %v", left, got)
			}
		}
		left = -1
	}
	try("")
	b.mirror("default", "copy", src)
	first := up.git("w", "rev-parse", "HEAD")
	second := up.commit("w", "b", noise(60_000))
	up.git("w", "push", "-q", up.url("w"), "main")
	try(first)
	b.mirror("default", "copy", src)
	if got, _ := b.host.Branches(t.Context(), "default", "copy"); got["main"] != second {
		t.Fatal(got)
	}
	packs, _ := filepath.Glob(filepath.Join(b.pools()[0], "objects", "pack", "*.pack"))
	if len(packs) != 2 {
		t.Fatalf("packs of failed fetches are left: %v", packs)
	}
	if out := b.git("", "--git-dir", b.pools()[0], "fsck", "--full"); strings.Contains(out, "missing") {
		t.Fatal(out)
	}
}

// A server that sends a pack without what it promised does not get its refs set, and
// leaves nothing behind: not the first time, and not later.
func TestFetchOfAPackThatLacksObjects(t *testing.T) {
	up := upstream(t)
	other := upstream(t)
	for _, x := range []*bench{up, other} {
		x.commit("w", "a", "common")
		x.git("w", "push", "-q", x.url("w"), "main")
	}
	up.commit("w", "a", "promised")
	up.git("w", "push", "-q", up.url("w"), "main")
	alien := other.commit("w", "a", "something else")
	other.git("w", "push", "-q", other.url("w"), "main")
	lie := true
	url := behind(t, up, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !lie || !strings.HasSuffix(r.URL.Path, "/git-upload-pack") {
			next.ServeHTTP(w, r)
			return
		}
		// Whatever is asked for, the other repository's pack comes.
		body := pkt("want "+alien+" side-band-64k ofs-delta\n") + flushPkt + pkt("done\n")
		q := r.Clone(r.Context())
		q.Body, q.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		other.host.Handler().ServeHTTP(w, q)
	})
	b := newBench(t)
	src := Source{URL: url, Remote: Remote{Private: true}}
	refused := func(want string, packs int) {
		t.Helper()
		err := b.host.Fetch(context.Background(), "default", "copy", src)
		if err == nil || !strings.Contains(err.Error(), "what came is not whole") {
			t.Fatal(err)
		}
		if got, _ := b.host.Branches(t.Context(), "default", "copy"); got["main"] != want {
			t.Fatal(got)
		}
		if found, _ := filepath.Glob(filepath.Join(b.pools()[0], "objects", "pack", "*.pack")); len(found) != packs {
			t.Fatalf("packs are left: %v", found)
		}
	}
	// A whole pack, but of something else.
	refused("", 0)
	lie = false
	b.mirror("default", "copy", src)
	first := up.git("w", "rev-parse", "HEAD")
	up.commit("w", "a", "more")
	up.git("w", "push", "-q", up.url("w"), "main")
	lie = true
	refused(first, 1)
	lie = false
	b.mirror("default", "copy", src)
}
