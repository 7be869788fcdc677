// Package client owns the client's side of the REST interface: where the server
// is, with which token it is asked, and how waits follow its event stream. The
// verbs, the demo, the benchmark and the end-to-end tests share it. It never
// prints. Start at Client.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/pflag"
)

// Client talks to a server's REST interface.
type Client struct {
	// Server is the address, TokenFile and CA are files; empty ones are those of DataDir.
	Server, TokenFile, CA, DataDir string
	Namespace                      string

	mu   sync.Mutex
	http *http.Client // made at the first request: connections are used again
}

// Flags binds c to flags whose defaults come from the environment.
func (c *Client) Flags(fs *pflag.FlagSet) {
	env := func(name, otherwise string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		return otherwise
	}
	fs.StringVar(&c.Server, "server", env("SLIPWAY_SERVER", "http://127.0.0.1:8080"), "address of the server")
	fs.StringVar(&c.TokenFile, "token-file", os.Getenv("SLIPWAY_TOKEN_FILE"), "file with the token (default admin.token of the data directory; SLIPWAY_TOKEN holds one directly)")
	fs.StringVar(&c.CA, "ca-file", os.Getenv("SLIPWAY_CA_FILE"), "authority of the server's certificate (default ca.crt of the data directory)")
	fs.StringVarP(&c.Namespace, "namespace", "n", env("SLIPWAY_NAMESPACE", "default"), "the tenant's namespace")
	c.DataDir = env("SLIPWAY_DATA_DIR", "/var/lib/slipway")
}

// Token returns the token that requests carry.
func (c *Client) Token() (string, error) {
	file := c.TokenFile
	if t := os.Getenv("SLIPWAY_TOKEN"); t != "" && file == os.Getenv("SLIPWAY_TOKEN_FILE") {
		return t, nil // no flag names another one
	}
	if file == "" {
		file = filepath.Join(c.DataDir, "admin.token")
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no token in %s; start `slipway server`, or give --token-file, SLIPWAY_TOKEN, or the server's data directory as SLIPWAY_DATA_DIR", file)
	}
	return strings.TrimSpace(string(b)), err
}

// transport makes the HTTP client once what it trusts is known: the authority of a server
// that has not started yet is not there.
func (c *Client) transport() (*http.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil {
		return c.http, nil
	}
	file := c.CA
	if file == "" {
		file = filepath.Join(c.DataDir, "pki", "ca.crt")
	}
	pem, err := os.ReadFile(file)
	if err != nil && c.CA != "" {
		return nil, err
	}
	roots, poolErr := x509.SystemCertPool()
	if poolErr != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) && c.CA != "" {
		return nil, fmt.Errorf("--ca-file %s: no certificate in it", c.CA)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	client := &http.Client{Transport: t}
	if err == nil || strings.HasPrefix(c.Server, "http://") {
		c.http = client
	} else {
		t.DisableKeepAlives = true // it is used once
	}
	return client, nil
}

// Path is the address of a resource of the namespace.
func (c *Client) Path(elements ...string) string {
	p := "/api/v1/namespaces/" + url.PathEscape(c.Namespace)
	for _, e := range elements {
		p += "/" + url.PathEscape(e)
	}
	return p
}

// Open sends a request and returns the body of a good answer. A body that is
// an io.Reader is sent as it is, any other as JSON.
func (c *Client) Open(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	token, err := c.Token()
	if err != nil {
		return nil, err
	}
	in, raw := body.(io.Reader)
	if body != nil && !raw {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
	}
	if u, err := url.Parse(c.Server); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--server %q: want an address such as https://slipway.example:8443", c.Server)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.Server, "/")+path, in)
	if err != nil {
		return nil, fmt.Errorf("--server %q: %w", c.Server, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil && !raw {
		req.Header.Set("Content-Type", "application/json")
	}
	hc, err := c.transport()
	if err != nil {
		return nil, err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, fmt.Errorf("server %s: %w; %s", c.Server, errors.Unwrap(err), unreached(err))
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, answerError(resp)
	}
	return resp.Body, nil
}

// unreached says what to do about a server that gave no answer.
func unreached(err error) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return "name its authority with --ca-file: the server has its own in pki/ca.crt of its data directory"
	case errors.As(err, &host):
		return "use a name or address that the certificate is for"
	}
	return "is `slipway server` running?"
}

// Refused is an answer that is none of the good ones.
type Refused struct {
	Status int
	text   string
}

// Error is what the server said, with its hint.
func (r *Refused) Error() string { return r.text }

// answerError reads an error in the server's shape, or in Prometheus', whose API answers queries.
func answerError(resp *http.Response) error {
	var e struct{ Error json.RawMessage }
	var own struct{ Message, Hint string }
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	text := "server: " + resp.Status
	// What is none of ours, such as "Client sent an HTTP request to an HTTPS server."
	if line := strings.TrimSpace(string(b)); line != "" && len(line) < 200 && !strings.ContainsAny(line, "\n<{") {
		text += ": " + line
	}
	if json.Unmarshal(b, &e) == nil && len(e.Error) > 0 {
		var theirs string
		switch {
		case json.Unmarshal(e.Error, &theirs) == nil && theirs != "":
			text = theirs
		case json.Unmarshal(e.Error, &own) == nil && own.Message != "":
			if text = own.Message; own.Hint != "" {
				text += "; " + own.Hint
			}
		}
	}
	return &Refused{Status: resp.StatusCode, text: text}
}

// Call sends a request and decodes the answer into out, unless out is nil.
func (c *Client) Call(ctx context.Context, method, path string, body, out any) error {
	r, err := c.Open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer r.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, r)
		return err
	}
	return json.NewDecoder(r).Decode(out)
}

// Copy sends a request and copies the answer to w as it comes.
func (c *Client) Copy(ctx context.Context, w io.Writer, path string) error {
	r, err := c.Open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}
