package inprocess

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// maxWhole of an answer is kept until the handler is done; more is streamed.
const maxWhole = 1 << 20

// answer is a ResponseWriter whose reader is in the same process. It has what the writers
// of HTTP/2 have: handlers look for that.
type answer struct {
	ctx    context.Context
	header http.Header
	ready  chan struct{} // closed when the answer can be given

	mu     sync.Mutex
	status int
	sent   http.Header
	whole  bytes.Buffer
	stream *io.PipeWriter // not nil when the answer is streamed
	from   *io.PipeReader
	failed error
	ended  bool
	gone   chan bool
}

var (
	_ http.Flusher       = (*answer)(nil)
	_ http.CloseNotifier = (*answer)(nil) //nolint:staticcheck // the API server's filters want it
)

func (w *answer) Header() http.Header { return w.header }

func (w *answer) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin(status)
}

func (w *answer) begin(status int) {
	if w.status != 0 || status < 200 {
		return
	}
	w.status, w.sent = status, w.header.Clone()
}

func (w *answer) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.begin(http.StatusOK)
	if w.stream == nil && w.whole.Len()+len(p) <= maxWhole {
		defer w.mu.Unlock()
		return w.whole.Write(p)
	}
	w.open()
	stream := w.stream
	w.mu.Unlock()
	return stream.Write(p)
}

// Flush gives the answer away as far as it is.
func (w *answer) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin(http.StatusOK)
	w.open()
}

// open turns to streaming; what was written until then is read first.
func (w *answer) open() {
	if w.stream != nil || w.ended {
		return
	}
	from, stream := io.Pipe()
	w.from, w.stream = from, stream
	context.AfterFunc(w.ctx, func() { stream.CloseWithError(context.Cause(w.ctx)) })
	close(w.ready)
}

// CloseNotify says when nobody waits for the answer any more.
func (w *answer) CloseNotify() <-chan bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone == nil {
		gone := make(chan bool, 1)
		context.AfterFunc(w.ctx, func() { gone <- true })
		w.gone = gone
	}
	return w.gone
}

// finish ends the answer; fault is what the handler panicked with.
func (w *answer) finish(fault any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if fault != nil {
		w.failed = fmt.Errorf("the server ended its answer early: %v", fault)
	} else if w.stream != nil {
		w.failed = context.Cause(w.ctx) // what was cut short is not whole
	}
	w.begin(http.StatusOK)
	w.ended = true
	if w.stream != nil {
		w.stream.CloseWithError(w.failed) // nil is the end of the body
		return
	}
	close(w.ready)
}

// response of a handler that is done or streams.
func (w *answer) response(req *http.Request, done func()) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stream == nil && w.failed != nil {
		return nil, w.failed
	}
	res := &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: req.Proto, ProtoMajor: req.ProtoMajor, ProtoMinor: req.ProtoMinor,
		Header: w.sent, ContentLength: -1, Request: req,
	}
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		res.ContentLength = n
	}
	if req.Method == http.MethodHead {
		w.whole.Reset()
	}
	first := bytes.NewReader(w.whole.Bytes())
	if w.stream == nil {
		res.Body = io.NopCloser(first)
		return res, nil
	}
	res.Body = &body{Reader: io.MultiReader(first, w.from), from: w.from, done: done}
	return res, nil
}
