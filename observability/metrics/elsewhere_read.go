package metrics

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage/remote"
)

const (
	readRoute = "/api/v1/read"
	protobuf  = "application/x-protobuf"
	streamed  = "application/x-streamed-protobuf"
)

// read passes a remote read on, each of its queries narrowed to the scope.
func (e *foreign) read(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	asked, err := remote.DecodeReadRequest(r)
	var body []byte
	if err == nil {
		var narrowed *prompb.ReadRequest
		if narrowed, err = narrowRead(asked, scopeOf(r.Context()).matcher()); err == nil {
			body, err = narrowed.Marshal()
		}
	}
	if err != nil {
		Refuse(w, http.StatusBadRequest, "bad_data", err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), elsewhereFor)
	defer cancel()
	req, err := e.request(ctx, http.MethodPost, readRoute, bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		Refuse(w, http.StatusBadRequest, "bad_data", err.Error())
		return
	}
	req.Header.Set("Content-Type", protobuf)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Read-Version", "0.1.0")
	resp, err := e.do(req, protobuf, streamed, "text/plain") // errors are text
	if err != nil {
		Refuse(w, http.StatusBadGateway, "unavailable", err.Error())
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		Refuse(w, resp.StatusCode, "execution", fmt.Sprintf("the Prometheus at %s: %s %s", e.URL, resp.Status, strings.ToValidUTF8(strings.TrimSpace(string(why)), "")))
		return
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		Refuse(w, http.StatusBadGateway, "unavailable", fmt.Sprintf("the Prometheus at %s answers a remote read with text, and no result; look at its address", e.URL))
		return
	}
	for _, name := range []string{"Content-Type", "Content-Encoding"} {
		if v := resp.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	passOn(flushing{w, http.NewResponseController(w)}, resp.Body)
}

// passOn copies an answer. One that ends too early must not look whole: the status line is
// out, and only the connection can still say it.
func passOn(to io.Writer, body io.Reader) {
	if _, err := io.Copy(to, body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// flushing sends each piece of a stream on at once.
type flushing struct {
	io.Writer
	c *http.ResponseController
}

func (f flushing) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	_ = f.c.Flush() // a writer that cannot sends at the end
	return n, err
}

// narrowRead is made anew of what is known of a request: a field that is not might tell the
// other side to read something else.
func narrowRead(asked *prompb.ReadRequest, only *labels.Matcher) (*prompb.ReadRequest, error) {
	out := &prompb.ReadRequest{AcceptedResponseTypes: asked.AcceptedResponseTypes}
	for _, q := range asked.Queries {
		if q == nil {
			return nil, fmt.Errorf("a query of the request is empty")
		}
		ms, err := remote.FromLabelMatchers(q.Matchers)
		if err != nil {
			return nil, err
		}
		if only != nil {
			ms = append(ms, only)
		}
		narrowed, err := remote.ToQuery(q.StartTimestampMs, q.EndTimestampMs, ms, nil)
		if err != nil {
			return nil, err
		}
		if h := q.Hints; h != nil {
			narrowed.Hints = &prompb.ReadHints{StepMs: h.StepMs, Func: h.Func, StartMs: h.StartMs, EndMs: h.EndMs, Grouping: h.Grouping, By: h.By, RangeMs: h.RangeMs}
		}
		out.Queries = append(out.Queries, narrowed)
	}
	return out, nil
}
