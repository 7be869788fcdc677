package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"slipway.dev/cluster/disk"
)

// reading compares a working copy by its length.
type reading struct {
	Applications
	busy, free chan struct{}
}

func (r reading) DiffLocal(_ context.Context, _, _ string, archive io.Reader) (string, error) {
	if r.busy != nil {
		r.busy <- struct{}{}
		<-r.free
	}
	n, err := io.Copy(io.Discard, archive)
	return strings.Repeat("x", int(min(n, 3))), err
}

func localHandler(r reading, room func() error) http.Handler {
	return Handler(Deps{Applications: r, Room: room, Authorizer: roles{"ann": {"update applications default"}, "eve": {"get applications default"}}}, slog.New(slog.DiscardHandler))
}

func TestWorkingCopiesAreBounded(t *testing.T) {
	h := localHandler(reading{}, func() error { return nil })
	for name, tc := range map[string]struct {
		user, body string
		want       int
	}{
		"a small one":             {"ann", "abc", http.StatusOK},
		"one that is too large":   {"ann", strings.Repeat("x", maxLocal+1), http.StatusRequestEntityTooLarge},
		"of one who may only see": {"eve", "abc", http.StatusForbidden},
	} {
		if w := ask(h, "POST", ofTenant+"/web/diff", tc.user, tc.body); w.Code != tc.want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	full := localHandler(reading{}, func() error { return disk.Full{} })
	if w := ask(full, "POST", ofTenant+"/web/diff", "ann", "abc"); w.Code != http.StatusInsufficientStorage {
		t.Errorf("on a full disk: %d", w.Code)
	}
}

func TestFewWorkingCopiesAtOnce(t *testing.T) {
	r := reading{busy: make(chan struct{}), free: make(chan struct{})}
	h := localHandler(r, nil)
	done := make(chan int)
	for range mostLocal {
		go func() { done <- ask(h, "POST", ofTenant+"/web/diff", "ann", "abc").Code }()
		<-r.busy
	}
	if w := ask(h, "POST", ofTenant+"/web/diff", "ann", "abc"); w.Code != http.StatusTooManyRequests {
		t.Errorf("one too many: %d", w.Code)
	}
	for range mostLocal {
		r.free <- struct{}{}
		if code := <-done; code != http.StatusOK {
			t.Errorf("%d", code)
		}
	}
}
