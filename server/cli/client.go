package cli

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

	"github.com/spf13/pflag"
)

// client talks to a server's REST interface.
type client struct {
	server, tokenFile, dataDir, ca string
	namespace, output              string
}

func (c *client) flags(fs *pflag.FlagSet) {
	env := func(name, otherwise string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		return otherwise
	}
	fs.StringVar(&c.server, "server", env("SLIPWAY_SERVER", "http://127.0.0.1:8080"), "address of the server")
	fs.StringVar(&c.tokenFile, "token-file", os.Getenv("SLIPWAY_TOKEN_FILE"), "file with the token (default admin.token of the data directory; SLIPWAY_TOKEN holds one directly)")
	fs.StringVar(&c.ca, "ca-file", os.Getenv("SLIPWAY_CA_FILE"), "authority of the server's certificate (default ca.crt of the data directory)")
	fs.StringVarP(&c.namespace, "namespace", "n", env("SLIPWAY_NAMESPACE", "default"), "the tenant's namespace")
	fs.StringVarP(&c.output, "output", "o", "", "json, yaml or wide")
	c.dataDir = env("SLIPWAY_DATA_DIR", "/var/lib/slipway")
}

func (c *client) token() (string, error) {
	if t := os.Getenv("SLIPWAY_TOKEN"); t != "" {
		return t, nil
	}
	file := c.tokenFile
	if file == "" {
		file = filepath.Join(c.dataDir, "admin.token")
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no token in %s; start `slipway server`, or give --token-file or SLIPWAY_TOKEN", file)
	}
	return strings.TrimSpace(string(b)), err
}

func (c *client) http() (*http.Client, error) {
	file := c.ca
	if file == "" {
		file = filepath.Join(c.dataDir, "pki", "ca.crt")
	}
	pem, err := os.ReadFile(file)
	if err != nil && c.ca != "" {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(pem)
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: t}, nil
}

// path is the address of a resource of the namespace.
func (c *client) path(elements ...string) string {
	p := "/api/v1/namespaces/" + url.PathEscape(c.namespace)
	for _, e := range elements {
		p += "/" + url.PathEscape(e)
	}
	return p
}

// open sends a request and returns the body of a good answer.
func (c *client) open(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.server, "/")+path, in)
	if err != nil {
		return nil, fmt.Errorf("--server %q: %w", c.server, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	hc, err := c.http()
	if err != nil {
		return nil, err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, fmt.Errorf("server %s: %w; is `slipway server` running?", c.server, errors.Unwrap(err))
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, answerError(resp)
	}
	return resp.Body, nil
}

func answerError(resp *http.Response) error {
	var e struct {
		Error struct{ Message, Hint string }
	}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if json.Unmarshal(b, &e) != nil || e.Error.Message == "" {
		return fmt.Errorf("server: %s", resp.Status)
	}
	if e.Error.Hint != "" {
		return fmt.Errorf("%s; %s", e.Error.Message, e.Error.Hint)
	}
	return errors.New(e.Error.Message)
}

// call sends a request and decodes the answer into out, unless out is nil.
func (c *client) call(ctx context.Context, method, path string, body, out any) error {
	r, err := c.open(ctx, method, path, body)
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

// copy sends a request and copies the answer to w as it comes.
func (c *client) copy(ctx context.Context, w io.Writer, path string) error {
	r, err := c.open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}
