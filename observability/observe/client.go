package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slipway.dev/observability/logs"
)

// Client is the server's side of the child.
type Client struct {
	socket, forward string
	from            string // where lines are read; "" is the store
	http            *http.Client
	types           types
}

// NewClient talks to the child at the sockets of its Config.
func NewClient(socket, forward string) *Client {
	return &Client{socket: socket, forward: forward, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}}
}

// Ready says why the child does not answer yet.
func (c *Client) Ready(ctx context.Context) error {
	resp, err := c.ask(ctx, http.MethodGet, "/readyz", nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// ask does a request to the child.
func (c *Client) ask(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://observe"+path, body)
	if err != nil {
		return nil, err
	}
	return c.http.Do(req)
}

// told is what the child says of a request that it did not do.
func told(resp *http.Response) string {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return strings.TrimSpace(string(b))
}

// Sender sends log chunks to the child.
func (c *Client) Sender() *logs.Sender {
	return logs.NewSender(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.forward)
	})
}

// Prometheus passes requests below /prometheus/ on to the child.
func (c *Client) Prometheus() http.Handler {
	return c.pass(func(why string) any {
		return map[string]string{"status": "error", "errorType": "unavailable", "error": why}
	})
}

// Elastic passes requests below /elastic/ on to the child. They must have their
// elastic.Access attached.
func (c *Client) Elastic() http.Handler {
	return c.pass(func(why string) any {
		return map[string]any{"status": http.StatusServiceUnavailable, "error": map[string]string{"type": "unavailable_exception", "reason": why}}
	})
}

// Alertmanager passes requests below /alertmanager/ on to the child; they concern all
// namespaces.
func (c *Client) Alertmanager() http.Handler { return c.pass(func(why string) any { return why }) }

// pass requests on to the child. While that is away, a while after a start or a crash, it is
// said in the form that the callers read, with a status upon which they try again.
func (c *Client) pass(say func(why string) any) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport: c.http.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "observe"
			r.Out.Header.Del("Authorization")
			r.Out.Header.Del("Cookie")
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = json.NewEncoder(w).Encode(say("the store of metrics and logs does not answer, as it is being started; try again; `slipway status` tells more"))
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Or the server closes the request's body as soon as the answer begins. The transport
		// may not have seen its end by then, on a busy machine, and would give up its
		// connection in the middle of the answer.
		_ = http.NewResponseController(w).EnableFullDuplex()
		proxy.ServeHTTP(w, r)
	})
}

// SendTo has every line go to a Fluentd as well, from now on; nil ends that, and forgets
// what waits for it. It may be asked for again, and the child remembers it. With retry,
// what waits is tried at once, as the other side is known to be there again.
func (c *Client) SendTo(ctx context.Context, to *logs.Fluent, retry bool) error {
	if to == nil {
		return c.tell(ctx, http.MethodDelete, outputPath, nil)
	}
	body, err := json.Marshal(to)
	if err != nil {
		return err
	}
	path := outputPath
	if retry {
		path += "?retry=1"
	}
	return c.tell(ctx, http.MethodPut, path, bytes.NewReader(body))
}

// tell does a request that has no answer but that it was done.
func (c *Client) tell(ctx context.Context, method, path string, body io.Reader) error {
	resp, err := c.ask(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("log store: %s", told(resp))
	}
	return nil
}

// From is a client that reads lines there: of the store, or of the Elasticsearch that is
// configured.
func (c *Client) From(elasticsearch bool) *Client {
	other := &Client{socket: c.socket, forward: c.forward, http: c.http}
	if elasticsearch {
		other.from = fromElasticsearch
	}
	return other
}

// Search writes the rows that match q to w as lines of JSON.
func (c *Client) Search(ctx context.Context, w io.Writer, q logs.Query) error {
	v := values(q)
	if q.Follow {
		v.Set("follow", "1")
	}
	return c.get(ctx, w, "/logs", v)
}

// Overview writes when the rows were that match q, and their fields' values, as JSON.
func (c *Client) Overview(ctx context.Context, w io.Writer, q logs.Query) error {
	return c.get(ctx, w, "/logs/overview", values(q))
}

// Context writes the lines around one to w as lines of JSON.
func (c *Client) Context(ctx context.Context, w io.Writer, a logs.Around) error {
	return c.get(ctx, w, "/logs/context", url.Values{
		"namespace": {a.Namespace}, "pod": {a.Pod}, "container": {a.Container}, "at": {a.At.Format(time.RFC3339Nano)},
		"before": {strconv.Itoa(a.Before)}, "after": {strconv.Itoa(a.After)},
	})
}

func values(q logs.Query) url.Values {
	return url.Values{
		"namespace": {q.Namespace}, "query": {q.Text}, "limit": {strconv.Itoa(q.Limit)},
		"start": {q.Start.Format(time.RFC3339Nano)}, "end": {q.End.Format(time.RFC3339Nano)},
	}
}

func (c *Client) get(ctx context.Context, w io.Writer, path string, v url.Values) error {
	v.Set("from", c.from)
	resp, err := c.ask(ctx, http.MethodGet, path+"?"+v.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text := told(resp)
		if resp.StatusCode == http.StatusBadRequest {
			return fmt.Errorf("%w: %s", logs.ErrQuery, strings.TrimPrefix(text, "query "))
		}
		return fmt.Errorf("log store: %s", text)
	}
	_, err = io.Copy(w, resp.Body)
	return err
}
