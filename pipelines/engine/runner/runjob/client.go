package runjob

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway.dev/pipelines/jobapi/wire"
)

// Client talks to the server about one attempt.
type Client struct {
	// URL of the attempt.
	URL string
	// Token is sent as the bearer.
	Token string
	HTTP  *http.Client
	// CAFile holds the authority of the server; empty: it has none of its own.
	CAFile string
	// Patience with a server that does not answer, as while it restarts.
	Patience time.Duration
}

// NewClient reads what the Run controller put into the environment.
func NewClient(getenv func(string) string) (*Client, error) {
	url, dir := getenv(wire.EnvURL), getenv(wire.EnvCredentials)
	if url == "" || dir == "" {
		return nil, fmt.Errorf("%s and %s are not set; this only works inside a job", wire.EnvURL, wire.EnvCredentials)
	}
	token, err := os.ReadFile(filepath.Join(dir, wire.TokenFile))
	if err != nil {
		return nil, fmt.Errorf("job token: %w", err)
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.Proxy = nil
	if pem, err := os.ReadFile(filepath.Join(dir, wire.CAFile)); err == nil && len(pem) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", wire.CAFile)
		}
		tr.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &Client{URL: strings.TrimSuffix(url, "/"), Token: strings.TrimSpace(string(token)),
		CAFile: caFile(dir), HTTP: &http.Client{Transport: tr}, Patience: time.Minute}, nil
}

// statusError is an answer that is not 2xx.
type statusError struct {
	code    int
	message string
}

func (e *statusError) Error() string { return fmt.Sprintf("server: %s (%d)", e.message, e.code) }

// do sends one request; where open is nil or can be called again, it repeats while the
// server is away. The caller closes the body.
func (c *Client) do(ctx context.Context, method, path, contentType string, open func() (io.ReadCloser, error)) (*http.Response, error) {
	deadline := time.Now().Add(c.Patience)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		res, err := c.once(ctx, method, path, contentType, open)
		var status *statusError
		if err == nil || ctx.Err() != nil || errors.As(err, &status) && status.code < 500 || time.Now().Add(wait).After(deadline) {
			return res, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (c *Client) once(ctx context.Context, method, path, contentType string, open func() (io.ReadCloser, error)) (*http.Response, error) {
	var body io.Reader
	if open != nil {
		rc, err := open()
		if err != nil {
			return nil, err
		}
		defer rc.Close()
		body = rc
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	var e struct {
		Error struct{ Message, Hint string } `json:"error"`
	}
	data, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if json.Unmarshal(data, &e) != nil || e.Error.Message == "" {
		e.Error.Message = http.StatusText(res.StatusCode)
	}
	if e.Error.Hint != "" {
		e.Error.Message += "; " + e.Error.Hint
	}
	return nil, &statusError{code: res.StatusCode, message: e.Error.Message}
}

// Job fetches the description.
func (c *Client) Job(ctx context.Context) (*wire.Job, error) {
	res, err := c.do(ctx, http.MethodGet, "", "", nil)
	if err != nil {
		return nil, fmt.Errorf("fetch job: %w", err)
	}
	defer res.Body.Close()
	var j wire.Job
	if err := json.NewDecoder(io.LimitReader(res.Body, wire.MaxJob)).Decode(&j); err != nil {
		return nil, fmt.Errorf("fetch job: %w", err)
	}
	return &j, nil
}

// Get streams one part of the job: "/source", "/artifacts/<job>".
func (c *Client) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	res, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// Send uploads from open, which is called once for every try.
func (c *Client) Send(ctx context.Context, method, path, contentType string, open func() (io.ReadCloser, error)) error {
	res, err := c.do(ctx, method, path, contentType, open)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// Ask posts a question whose answer is a stream of events: log lines go to out, and
// the last event says how it ended. What was asked is safe to ask again, so a stream
// that breaks (the server restarts) is asked for again.
func (c *Client) Ask(ctx context.Context, path, contentType string, open func() (io.ReadCloser, error), out io.Writer) error {
	_, err := c.ask(ctx, path, contentType, open, out)
	return err
}

// AskDocker asks for something that makes an image.
func (c *Client) AskDocker(ctx context.Context, path string, open func() (io.ReadCloser, error), out io.Writer) (*wire.DockerImage, error) {
	last, err := c.ask(ctx, path, "application/octet-stream", open, out)
	if err == nil && last.Docker == nil {
		err = errors.New("the server did not say which image it made")
	}
	return last.Docker, err
}

func (c *Client) ask(ctx context.Context, path, contentType string, open func() (io.ReadCloser, error), out io.Writer) (wire.Event, error) {
	const tries = 5
	for try := 1; ; try++ {
		res, err := c.do(ctx, http.MethodPost, path, contentType, open)
		if err != nil {
			return wire.Event{}, err
		}
		last, err := follow(res.Body, out)
		res.Body.Close()
		if !errors.Is(err, errBroken) || try == tries || ctx.Err() != nil {
			return last, err
		}
		fmt.Fprintln(out, "The server went away; asking again.")
	}
}

var errBroken = errors.New("the server's answer broke off")

func follow(r io.Reader, out io.Writer) (wire.Event, error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 1<<20)
	for sc.Scan() {
		var e wire.Event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			return e, fmt.Errorf("the server's answer is not understood: %w", err)
		}
		if e.Log != "" {
			fmt.Fprintln(out, strings.TrimSuffix(e.Log, "\n"))
		}
		if e.Done && e.Error != "" {
			return e, errors.New(e.Error)
		}
		if e.Done {
			return e, nil
		}
	}
	return wire.Event{}, errBroken
}

// JSONBody is v as a body that can be opened again.
func JSONBody(v any) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		data, err := json.Marshal(v)
		return io.NopCloser(bytes.NewReader(data)), err
	}
}
