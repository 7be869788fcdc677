package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Listener is one address that the front door is served at.
type Listener struct {
	net.Listener
	// TLS is nil for plain HTTP.
	TLS *tls.Config
}

// Listen opens addr.
func Listen(addr string, conf *tls.Config) (Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return Listener{}, fmt.Errorf("front door: %w; another address can be set in the configuration", err)
	}
	return Listener{Listener: l, TLS: conf}, nil
}

// Serve answers on every listener until ctx ends; then it refuses new requests
// and gives those under way up to grace to finish, and those that only read a third of it.
func Serve(ctx context.Context, h http.Handler, listeners []Listener, grace time.Duration, log *slog.Logger) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	h = endingReads(ctx, grace/3, endingStreams(ctx, h))
	var wg sync.WaitGroup
	errs := make(chan error, len(listeners))
	servers := make([]*http.Server, len(listeners))
	for i, l := range listeners {
		srv := &http.Server{
			Handler:           h,
			TLSConfig:         l.TLS,
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
			BaseContext:       func(net.Listener) context.Context { return base },
		}
		servers[i] = srv
		wg.Go(func() {
			var err error
			if l.TLS != nil {
				err = srv.ServeTLS(l, "", "")
			} else {
				err = srv.Serve(l)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				errs <- err
			}
		})
	}
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-errs:
	}
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer done()
	for _, srv := range servers {
		wg.Go(func() {
			if err := srv.Shutdown(stop); err != nil {
				cancel()
				_ = srv.Close()
			}
		})
	}
	wg.Wait()
	return failed
}

// endingStreams ends what would go on for ever (followed logs, watches, waits of
// jobs, which ask again) as soon as the server stops; only pushes and uploads
// are given time.
func endingStreams(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/prometheus/") || strings.HasPrefix(r.URL.Path, "/alertmanager/") {
			bound, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			r = r.WithContext(bound)
		}
		next.ServeHTTP(w, r)
	})
}

// endingReads cuts what only reads (clones, pulls, pages) a while after the server was to
// stop. Who reads slowly would keep it as long as who writes, and loses nothing: it asks again.
func endingReads(ctx context.Context, grace time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !reads(r) {
			next.ServeHTTP(w, r)
			return
		}
		bound, cancel := context.WithCancel(r.Context())
		defer cancel()
		cut := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(cut)
			select {
			case <-bound.Done():
			case <-time.After(grace):
				cancel()
				// It may be waiting for the reader.
				_ = http.NewResponseController(w).SetWriteDeadline(time.Now())
			}
		})
		defer func() {
			if !stop() {
				cancel()
				<-cut // which has the writer
			}
		}()
		next.ServeHTTP(w, r.WithContext(bound))
	})
}

// reads says whether a request changes nothing: by its method, or because it fetches from a
// repository.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || strings.HasSuffix(r.URL.Path, "/git-upload-pack")
}
