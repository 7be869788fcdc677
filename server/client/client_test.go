package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	slipway "slipway.dev/cluster/api/v1alpha1"
)

// talk starts a server and a client of it.
func talk(t *testing.T, h http.HandlerFunc) (*Client, *atomic.Int64) {
	t.Helper()
	t.Setenv("SLIPWAY_TOKEN", "secret")
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return &Client{Server: s.URL, DataDir: t.TempDir(), Namespace: "default"}, &connections
}

func tell(w http.ResponseWriter, typ, kind, name string, release int) {
	fmt.Fprintf(w, ": still here\n\ndata: {\"kind\": %q, \"type\": %q, \"object\": {\"metadata\": {\"name\": %q}, \"status\": {\"current\": %d, \"health\": \"Healthy\", \"conditions\": [{\"type\": \"Applied\", \"status\": \"True\", \"reason\": \"Settled\"}]}}}\n\n", kind, typ, name, release)
	_ = http.NewResponseController(w).Flush()
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	c, connections := talk(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("no token: %v", r.Header)
		}
		fmt.Fprint(w, `{"ready": true}`)
	})
	for range 5 {
		if s, err := c.Status(t.Context()); err != nil || !s.Ready {
			t.Fatalf("%+v %v", s, err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for 5 requests", n)
	}
}

// TestWatchGoesOn over a server that goes away in its middle.
func TestWatchGoesOn(t *testing.T) {
	asked := 0
	c, _ := talk(t, func(w http.ResponseWriter, r *http.Request) {
		switch asked++; asked {
		case 1:
			tell(w, "ADDED", "Application", "shop", 1)
			tell(w, "DELETED", "Application", "other", 0)
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3: // ends as if it were stopped
		default:
			tell(w, "ADDED", "Run", "shop", 0)
			tell(w, "ADDED", "Application", "shop", 2)
		}
	})
	var seen []int64
	a, err := c.FollowApp(t.Context(), "shop", 2, func(a *slipway.Application) { seen = append(seen, a.Status.Current) })
	if err != nil || a.Status.Current != 2 || fmt.Sprint(seen) != "[1 2]" || asked != 4 {
		t.Errorf("%v after %d requests, seen %v: %v", a, asked, seen, err)
	}
}

func TestWaitsThatEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"deleted": {func(w http.ResponseWriter, _ *http.Request) {
			tell(w, "ADDED", "Application", "shop", 1)
			tell(w, "DELETED", "Application", "shop", 1)
		}, "application shop was deleted"},
		"refused": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error": {"message": "not you", "hint": "ask ann"}}`)
		}, "not you; ask ann"},
		"nonsense": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "data: {\n\n") }, "watch: "},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := talk(t, tc.answer)
			if _, err := c.WaitApp(t.Context(), "shop", 2); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
	c, _ := talk(t, func(http.ResponseWriter, *http.Request) {})
	c.Server = "http://127.0.0.1:1"
	if _, err := c.WaitApp(t.Context(), "shop", 2); err == nil || !strings.Contains(err.Error(), "is `slipway server` running?") {
		t.Errorf("nobody there: %v", err)
	}
	c, _ = talk(t, func(w http.ResponseWriter, _ *http.Request) { tell(w, "ADDED", "Application", "shop", 1) })
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := c.WaitApp(ctx, "shop", 2); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "release 1 is Healthy") {
		t.Errorf("too long: %v", err)
	}
}

func TestErrorsOfAnswers(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":{"message":"run x: not found"}}`:                                            "run x: not found",
		`{"error":{"message":"run x: not found","hint":"` + "`slipway run list`" + `"}}`:      "run x: not found; `slipway run list`",
		`{"status":"error","errorType":"bad_data","error":"1:5: parse error: unclosed left"}`: "1:5: parse error: unclosed left",
		`{"error":7}`: "server: 502 Bad Gateway", `{}`: "server: 502 Bad Gateway", `<html>`: "server: 502 Bad Gateway", "": "server: 502 Bad Gateway",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte(body))
		}))
		t.Setenv("SLIPWAY_TOKEN", "t")
		_, err := (&Client{Server: s.URL, DataDir: t.TempDir()}).Open(t.Context(), "GET", "/x", nil)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
		s.Close()
	}
}

// TestWhichToken: a file that a flag names wins over the environment, which wins over the data directory.
func TestWhichToken(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"admin.token": "of the directory", "mine": "of the file\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ env, file, want string }{
		{"", "", "of the directory"},
		{"of the environment", "", "of the environment"},
		{"of the environment", filepath.Join(dir, "mine"), "of the file"},
	} {
		t.Setenv("SLIPWAY_TOKEN", tt.env)
		if got, err := (&Client{DataDir: dir, TokenFile: tt.file}).Token(); got != tt.want || err != nil {
			t.Errorf("%+v: %q %v", tt, got, err)
		}
	}
}

// TestServersThatAreNotReached says what to do about each.
func TestServersThatAreNotReached(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	t.Setenv("SLIPWAY_TOKEN", "secret")
	none := filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(none, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for server, tt := range map[string]struct{ ca, want string }{
		secure.URL: {"", "name its authority with --ca-file"},
		strings.Replace(secure.URL, "https", "http", 1): {"", "Client sent an HTTP request to an HTTPS server"},
		strings.TrimPrefix(secure.URL, "https://"):      {"", "want an address such as https://"},
		"http://127.0.0.1:1":                            {"", "is `slipway server` running?"},
		secure.URL + "/":                                {none, "no certificate in it"},
	} {
		_, err := (&Client{Server: server, CA: tt.ca, DataDir: t.TempDir()}).Open(t.Context(), "GET", "/x", nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", server, err, tt.want)
		}
	}
}
