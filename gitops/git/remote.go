package git

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport/client"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/net/proxy"

	"slipway.dev/cluster/outside"
)

// Remote says which repositories elsewhere may be looked at.
type Remote struct {
	// Private allows addresses of private networks and of this machine. Link-local
	// ones, where clouds keep their credentials, are never allowed.
	Private bool
	// MaxFetch is the largest answer in bytes. Default 2 GiB.
	MaxFetch int64
	// Timeout of one fetch. Default 10m.
	Timeout time.Duration
}

// ParseURL refuses every URL that is not plainly https, http or ssh: no
// options, no helpers, no credentials within.
func (p Remote) ParseURL(raw string) (*url.URL, error) {
	if len(raw) > 2000 || strings.ContainsFunc(raw, func(r rune) bool { return r <= 0x20 || r == 0x7f }) || strings.HasPrefix(raw, "-") {
		return nil, fmt.Errorf("repository url: %w; give https://, http:// or ssh://", ErrName)
	}
	u, err := url.Parse(raw)
	if m := scpLike.FindStringSubmatch(raw); m != nil && !strings.Contains(raw, "://") {
		return nil, fmt.Errorf("repository url: %w; write ssh://%s%s/%s", ErrName, m[1], m[2], strings.TrimPrefix(m[3], "/"))
	}
	if err != nil || u.Opaque != "" || u.Fragment != "" {
		return nil, fmt.Errorf("repository url: %w; give https://, http:// or ssh://", ErrName)
	}
	switch u.Scheme {
	case "https", "http", "ssh":
		if u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-") {
			return nil, fmt.Errorf("repository url has no host: %w", ErrName)
		}
		if strings.HasPrefix(u.Path, "/-") {
			return nil, fmt.Errorf("repository url %s: path begins with \"-\": %w", publicURL(raw), ErrName)
		}
	default:
		return nil, fmt.Errorf("repository url of scheme %q: %w; give https://, http:// or ssh://", clip(u.Scheme, 20), ErrName)
	}
	if _, has := u.User.Password(); has || u.User != nil && u.Scheme != "ssh" {
		return nil, fmt.Errorf("repository url holds credentials: %w; put them into a secret and name it in credentialsSecret", ErrName)
	}
	return u, nil
}

// scpLike is git@host:path, the form that forges show and that is no URL.
var scpLike = regexp.MustCompile(`^([A-Za-z0-9._-]+@)([A-Za-z0-9.-]+):([^:\s]+)$`)

// publicURL is raw without what could be a credential.
func publicURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an unreadable url"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return clip(u.String(), 300)
}

// rules are what one fetch goes by.
type rules struct {
	Remote
	// host (with its port) is the only one that credentials are sent to.
	host string
	// roots are trusted in place of the system's, unless nil.
	roots *x509.CertPool
	// patience that the other side asks for; nil where nobody wants to know.
	patience *patience
}

type rulesKey struct{}

func withRules(ctx context.Context, r rules) context.Context {
	return context.WithValue(ctx, rulesKey{}, r)
}

func (p Remote) guard() outside.Guard { return outside.Guard{Private: p.Private} }

// HTTP is a client for other public files by the same rules: addresses are looked at
// when they are dialled, those of redirects too.
func (p Remote) HTTP() *http.Client { return p.client(nil) }

func (p Remote) client(roots *x509.CertPool) *http.Client {
	t := p.guard().Transport()
	t.TLSClientConfig = &tls.Config{RootCAs: roots}
	return &http.Client{Transport: t, CheckRedirect: outside.Redirect}
}

func (p Remote) maxFetch() int64 {
	if p.MaxFetch > 0 {
		return p.MaxFetch
	}
	return 2 << 30
}

// go-git looks transports up in one table of the process. Ours take the rules
// from the context of the request, and without rules allow public addresses only.
func init() {
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			r, _ := ctx.Value(rulesKey{}).(rules)
			return r.guard().Dial(ctx, network, address)
		},
		// A kept connection would be used under the rules of another request.
		DisableKeepAlives:     true,
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
	}
	c := githttp.NewClient(&http.Client{Transport: boundedTransport{t}})
	client.InstallProtocol("https", c)
	client.InstallProtocol("http", c)
	// These would run a program with a user's string, or know no authentication.
	client.InstallProtocol("git", nil)
	client.InstallProtocol("file", nil)
	// The user's ssh_config must not redirect a host or run a command.
	gitssh.DefaultSSHConfig = nil
	for _, private := range []bool{false, true} {
		proxy.RegisterDialerType(sshGuard(private), func(*url.URL, proxy.Dialer) (proxy.Dialer, error) {
			return sshDialer{Remote{Private: private}}, nil
		})
	}
}

// sshGuard names the dialer through which go-git's ssh goes: it has no other
// place to put an address check.
func sshGuard(private bool) string {
	if private {
		return "slipway-any"
	}
	return "slipway-public"
}

type sshDialer struct{ p Remote }

func (d sshDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d sshDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.p.guard().Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &boundedConn{Conn: c, left: d.p.maxFetch()}, c.SetDeadline(time.Now().Add(10 * time.Minute))
}

// boundedConn ends a connection that sends more than allowed.
type boundedConn struct {
	net.Conn
	left int64
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("answer: %w", ErrLimit)
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	return n, err
}

// boundedTransport bounds each answer, in bytes and in time, and keeps credentials to
// their host: whatever go-git follows, this is the last gate before the network.
type boundedTransport struct{ next *http.Transport }

func (b boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	rules, _ := r.Context().Value(rulesKey{}).(rules)
	if r.Header.Get("Authorization") != "" && (hostPort(r.URL) != rules.host || r.URL.Scheme != "https") {
		return nil, fmt.Errorf("redirected to %s: %w", r.URL.Host, errCredentials)
	}
	next := b.next
	if rules.roots != nil {
		next = next.Clone()
		next.TLSClientConfig = &tls.Config{RootCAs: rules.roots}
	}
	res, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if later := asksForPatience(res, time.Now()); later != nil && rules.patience != nil {
		rules.patience.Store(later)
	}
	res.Body = &boundedBody{Reader: &limitReader{r: res.Body, left: rules.maxFetch()}, Closer: res.Body}
	return res, nil
}

// hostPort of an https URL in one form.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

var errCredentials = errors.New("credentials are not sent there; give the repository's own address")

type boundedBody struct {
	io.Reader
	io.Closer
}
