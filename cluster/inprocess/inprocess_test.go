package inprocess

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// call answers with a handler, and reads all of the answer.
func call(t *testing.T, h http.HandlerFunc, method string, content io.Reader) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://server/path?a=b", content)
	if err != nil {
		t.Fatal(err)
	}
	res, err := RoundTrip(h, req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res, string(data), err
}

func TestRoundTrip(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", maxWhole/8)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		method  string
		content string
		status  int
		want    string
		fault   string
	}{
		"nothing":     {handler: func(http.ResponseWriter, *http.Request) {}, status: 200},
		"status only": {handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, status: 404},
		"echo": {method: "POST", content: "hello", status: 201, want: "POST /path?a=b server hello", handler: func(w http.ResponseWriter, r *http.Request) {
			data, _ := io.ReadAll(r.Body)
			w.WriteHeader(201)
			fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Host, data)
		}},
		"large": {status: 200, want: large, handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, large) }},
		"in pieces": {status: 200, want: "abc", handler: func(w http.ResponseWriter, _ *http.Request) {
			for _, piece := range []string{"a", "b", "c"} {
				_, _ = io.WriteString(w, piece)
				w.(http.Flusher).Flush()
			}
		}},
		"head": {method: "HEAD", status: 200, handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }},
		"aborted": {fault: "early", handler: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}},
		"aborted later": {fault: "early", handler: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
		"headers after the status": {status: 200, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(200)
			w.WriteHeader(500)
			w.Header().Set("Late", "true")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			method := c.method
			if method == "" {
				method = http.MethodGet
			}
			res, got, err := call(t, c.handler, method, strings.NewReader(c.content))
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Fatalf("error %v, want %q", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != c.status || got != c.want || res.Header.Get("Late") != "" {
				t.Errorf("%d with %d bytes, %v", res.StatusCode, len(got), res.Header)
			}
		})
	}
}

// watch writes a line and then waits until nobody listens.
func watch(over chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "line\n")
		w.(http.Flusher).Flush()
		<-w.(http.CloseNotifier).CloseNotify() //nolint:staticcheck // as the API server's filters do
		over <- r.Context().Err()
	}
}

func TestNobodyListens(t *testing.T) {
	for name, leave := range map[string]func(res *http.Response, cancel, stop context.CancelFunc){
		"closed":          func(res *http.Response, _, _ context.CancelFunc) { res.Body.Close() },
		"cancelled":       func(_ *http.Response, cancel, _ context.CancelFunc) { cancel() },
		"server has gone": func(_ *http.Response, _, stop context.CancelFunc) { stop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				life, stop := context.WithCancel(t.Context())
				defer stop()
				s, over := &Server{}, make(chan error, 1)
				s.Serve(life, watch(over))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://server/watch", nil)
				res, err := s.Transport(func() (*x509.Certificate, error) { return &x509.Certificate{}, nil }, nil).RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				line := make([]byte, 5)
				if _, err := io.ReadFull(res.Body, line); err != nil || string(line) != "line\n" {
					t.Fatalf("%q, %v", line, err)
				}
				leave(res, cancel, stop)
				if err := <-over; err == nil {
					t.Error("the handler goes on")
				}
				if _, err := res.Body.Read(line); err == nil || errors.Is(err, io.EOF) {
					t.Errorf("the body ends with %v", err)
				}
				res.Body.Close()
			})
		})
	}
}

func TestCallerDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://server/", nil)
		ended := make(chan struct{})
		_, err := RoundTrip(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			time.Sleep(time.Minute)
			w.(http.Flusher).Flush() // to nobody
			_, _ = w.Write(bytes.Repeat([]byte("x"), 2*maxWhole))
		}), req)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		<-ended
	})
}

// network stands for a transport that dials.
type network struct{ asked int }

func (n *network) RoundTrip(*http.Request) (*http.Response, error) {
	n.asked++
	return nil, errors.New("connection refused")
}

func TestNetworkWhileThereIsNoHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := &Server{}, &network{}
		certificate := &x509.Certificate{Raw: []byte("mine")}
		var fault error
		rt := s.Transport(func() (*x509.Certificate, error) { return certificate, fault }, n)
		ask := func(header string) error {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://server/", nil)
			if header != "" {
				req.Header.Set("Upgrade", header)
			}
			res, err := rt.RoundTrip(req)
			if err == nil {
				res.Body.Close()
			}
			return err
		}
		if err := ask(""); err == nil || n.asked != 1 {
			t.Errorf("%v, the network was asked %d times", err, n.asked)
		}
		life, stop := context.WithCancel(t.Context())
		s.Serve(life, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.TLS.PeerCertificates) != 1 || r.TLS.PeerCertificates[0] != certificate {
				t.Error("another certificate")
			}
		}))
		if err := ask(""); err != nil || n.asked != 1 {
			t.Errorf("%v, the network was asked %d times", err, n.asked)
		}
		if err := ask("SPDY/3.1"); err == nil || n.asked != 2 {
			t.Errorf("%v, the network was asked %d times", err, n.asked)
		}
		fault = errors.New("no certificate")
		if err := ask(""); err == nil || n.asked != 3 {
			t.Errorf("%v, the network was asked %d times", err, n.asked)
		}
		fault = nil
		stop()
		synctest.Wait()
		if err := ask(""); err == nil || n.asked != 4 {
			t.Errorf("%v, the network was asked %d times", err, n.asked)
		}
	})
}
