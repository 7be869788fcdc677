package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/distribution/distribution/v3/registry/auth/token"
)

// Transport lets code in this process use the registry's API as the server
// itself: every repository, also the reserved ones, with no network between and no
// upstream behind. Bodies are streamed both ways.
func (r *Registry) Transport() http.RoundTripper { return inProcess{r, false} }

type inProcess struct {
	registry *Registry
	upstream bool
}

// RoundTrip serves the request in a goroutine that ends with the answer's body.
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if !t.upstream {
		ctx = context.WithValue(ctx, localOnlyKey{}, true)
	}
	out := req.Clone(ctx)
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

	if req.Method != http.MethodGet {
		return t.whole(out)
	}
	return t.streamed(out)
}

// whole answers when the handler has ended. Distribution finishes an upload's
// file after it has written the answer; over a network that answer leaves only
// then, and the next request must not come sooner here either.
func (t inProcess) whole(req *http.Request) (res *http.Response, err error) {
	defer req.Body.Close()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("registry ended the answer early: %v", p)
		}
	}()
	var body bytes.Buffer
	w := &answer{header: http.Header{}, body: &body, ready: make(chan struct{})}
	if req.Method == http.MethodHead {
		w.body = io.Discard
	}
	t.registry.ServeHTTP(w, req)
	w.WriteHeader(http.StatusOK)
	return w.response(req, io.NopCloser(&body)), nil
}

// streamed answers with the headers, while a goroutine, which ends with the body
// or with the reader's Close, goes on writing.
func (t inProcess) streamed(req *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	w := &answer{header: http.Header{}, body: writer, ready: make(chan struct{})}
	go func() {
		defer req.Body.Close()
		defer func() {
			if p := recover(); p != nil {
				writer.CloseWithError(errors.New("registry ended the answer early"))
			}
			w.WriteHeader(http.StatusOK)
			writer.Close()
		}()
		t.registry.ServeHTTP(w, req)
	}()
	select {
	case <-w.ready:
		return w.response(req, reader), nil
	case <-req.Context().Done():
		reader.CloseWithError(req.Context().Err())
		return nil, req.Context().Err()
	}
}

// answer is a ResponseWriter whose reader is in the same process.
type answer struct {
	header http.Header
	body   io.Writer
	ready  chan struct{}
	status int
	sent   http.Header
}

func (w *answer) Header() http.Header { return w.header }

func (w *answer) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status, w.sent = status, w.header.Clone()
	close(w.ready)
}

func (w *answer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *answer) response(req *http.Request, body io.ReadCloser) *http.Response {
	res := &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: body, ContentLength: -1, Request: req,
	}
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		res.ContentLength = n
	}
	return res
}
