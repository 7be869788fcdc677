package embedded

import (
	"errors"
	"io"
	"net/http"

	"github.com/distribution/distribution/v3/registry/auth/token"
)

// Transport lets code in this process use the registry's API as the server
// itself: every repository, also the reserved ones, and no network between.
// Bodies are streamed both ways.
func (r *Registry) Transport() http.RoundTripper { return inProcess{r} }

type inProcess struct{ registry *Registry }

// RoundTrip serves the request in a goroutine that ends with the answer's body.
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	out := req.Clone(req.Context())
	if out.Body == nil {
		out.Body = http.NoBody
	}
	out.RequestURI = req.URL.RequestURI()
	if out.Host == "" {
		out.Host = req.URL.Host
	}
	var access []*token.ResourceActions
	for _, name := range []string{repositoryOf(rewrite(req.URL)), req.URL.Query().Get("from")} {
		if name != "" {
			access = append(access, &token.ResourceActions{Type: "repository", Name: name, Actions: []string{"pull", "push", "delete"}})
		}
	}
	access = append(access, &token.ResourceActions{Type: "registry", Name: "catalog", Actions: []string{"*"}})
	raw, _, err := t.registry.signer.sign("system:slipway", access)
	if err != nil {
		return nil, err
	}
	out.Header.Set("Authorization", "Bearer "+raw)

	reader, writer := io.Pipe()
	w := &pipedAnswer{header: http.Header{}, pipe: writer, ready: make(chan struct{})}
	go func() {
		defer out.Body.Close()
		defer func() {
			if p := recover(); p != nil {
				w.abort = true
			}
			w.WriteHeader(http.StatusOK)
			if w.abort {
				writer.CloseWithError(errors.New("registry ended the answer early"))
				return
			}
			writer.Close()
		}()
		t.registry.ServeHTTP(w, out)
	}()
	select {
	case <-w.ready:
	case <-req.Context().Done():
		reader.CloseWithError(req.Context().Err())
		return nil, req.Context().Err()
	}
	res := &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: reader, ContentLength: -1, Request: req,
	}
	if n := w.sent.Get("Content-Length"); n != "" {
		res.ContentLength = parseLength(n)
	}
	if req.Method == http.MethodHead {
		reader.Close()
		res.Body = http.NoBody
	}
	return res, nil
}

func parseLength(s string) int64 {
	var n int64
	for _, c := range s {
		if c < '0' || c > '9' || n > 1<<59 {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// pipedAnswer is a ResponseWriter whose body is read while it is written.
type pipedAnswer struct {
	header http.Header
	pipe   *io.PipeWriter
	ready  chan struct{}
	status int
	sent   http.Header
	abort  bool
}

func (w *pipedAnswer) Header() http.Header { return w.header }

func (w *pipedAnswer) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status, w.sent = status, w.header.Clone()
	close(w.ready)
}

func (w *pipedAnswer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(p)
}
