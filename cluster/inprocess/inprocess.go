// Package inprocess owns how one part of this process calls the HTTP handler of another:
// requests and answers as they are, but with no socket, no TLS and no frames between, which
// is most of what a small request costs. It never decides who may do what: the handler
// authenticates and authorises as it does for everybody.
//
// Start at RoundTrip; Server is for a handler that comes and goes.
package inprocess

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// Server is a handler for callers that may be there before it, and after it. The zero
// value has none yet.
type Server struct{ current atomic.Pointer[serving] }

type serving struct {
	ctx     context.Context
	handler http.Handler
}

// Serve lets the handler have requests until ctx ends, which also ends those under way.
func (s *Server) Serve(ctx context.Context, h http.Handler) {
	mine := &serving{ctx, h}
	s.current.Store(mine)
	context.AfterFunc(ctx, func() { s.current.CompareAndSwap(mine, nil) })
}

// Transport to the server as whom a client certificate names, which is asked for with each
// request: certificates are renewed. It is over the network while there is no handler or no
// certificate, and for what takes a connection over.
func (s *Server) Transport(certificate func() (*x509.Certificate, error), network http.RoundTripper) http.RoundTripper {
	return &transport{s, certificate, network}
}

type transport struct {
	server      *Server
	certificate func() (*x509.Certificate, error)
	network     http.RoundTripper
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	now := t.server.current.Load()
	if now == nil || req.Header.Get("Upgrade") != "" {
		return t.network.RoundTrip(req)
	}
	certificate, err := t.certificate()
	if err != nil {
		return t.network.RoundTrip(req)
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	stop := context.AfterFunc(now.ctx, func() { cancel(errEnded) })
	in := req.Clone(context.WithValue(ctx, within{}, true))
	in.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, PeerCertificates: []*x509.Certificate{certificate}}
	return roundTrip(in, now.handler, func() { stop(); cancel(nil) })
}

var errEnded = errors.New("the server has ended")

// RoundTrip has a handler answer a request. The answer is given when the handler is done
// or flushes it, or when it is large; after that it is streamed.
func RoundTrip(h http.Handler, req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	return roundTrip(req.Clone(ctx), h, cancel)
}

type within struct{}

// Within says whether a request comes from this process.
func Within(ctx context.Context) bool { return ctx.Value(within{}) != nil }

// roundTrip owns the request. done is called when it is over.
func roundTrip(in *http.Request, h http.Handler, done func()) (*http.Response, error) {
	in.RequestURI = in.URL.RequestURI()
	if in.Host == "" {
		in.Host = in.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/2.0", 2, 0
	in.RemoteAddr = "127.0.0.1:0"
	w := &answer{ctx: in.Context(), header: http.Header{}, ready: make(chan struct{})}
	go w.serve(h, in, done)
	select {
	case <-w.ready:
	case <-in.Context().Done():
		select {
		case <-w.ready: // and over
		default:
			// The handler hears of it too, and cleans up by itself.
			return nil, context.Cause(in.Context())
		}
	}
	return w.response(in, done)
}

// serve runs the handler, whose panic is the end of its answer, as it is in net/http.
func (w *answer) serve(h http.Handler, in *http.Request, done func()) {
	defer func() {
		w.finish(recover())
		in.Body.Close()
		done()
	}()
	h.ServeHTTP(w, in)
}

// body of a streamed answer. To close it tells the handler that nobody listens any more.
type body struct {
	io.Reader
	from *io.PipeReader
	done func()
}

func (b *body) Close() error {
	err := b.from.Close()
	b.done()
	return err
}
