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
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport/client"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/net/proxy"
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

var errAddress = errors.New("address not allowed")

// ParseURL refuses every URL that is not plainly https, http or ssh: no
// options, no helpers, no credentials within.
func (p Remote) ParseURL(raw string) (*url.URL, error) {
	if len(raw) > 2000 || strings.ContainsFunc(raw, func(r rune) bool { return r <= 0x20 || r == 0x7f }) || strings.HasPrefix(raw, "-") {
		return nil, fmt.Errorf("repository url: %w; give https://, http:// or ssh://", ErrName)
	}
	u, err := url.Parse(raw)
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

// check refuses an address at the moment of dialling, after every name has been
// resolved, so that neither a redirect nor a changing DNS answer gets around it.
func (p Remote) check(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, errAddress)
	}
	a := ap.Addr().Unmap()
	if a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a == netip.MustParseAddr("100.100.100.200") || a == netip.MustParseAddr("fd00:ec2::254") {
		return fmt.Errorf("%s: %w", a, errAddress)
	}
	if !p.Private && (a.IsPrivate() || a.IsLoopback() || sharedRange.Contains(a) || nat64.Contains(a)) {
		return fmt.Errorf("%s is in a private network: %w; the server's configuration can allow it", a, errAddress)
	}
	return nil
}

var (
	sharedRange = netip.MustParsePrefix("100.64.0.0/10")
	nat64       = netip.MustParsePrefix("64:ff9b::/96")
)

func (p Remote) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 15 * time.Second, Control: p.check}
	return d.DialContext(ctx, network, address)
}

// HTTP is a client for other public files by the same rules: addresses are looked at
// when they are dialled, those of redirects too.
func (p Remote) HTTP() *http.Client { return p.client(nil) }

func (p Remote) client(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: p.dial, TLSHandshakeTimeout: 10 * time.Second, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots},
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case len(via) > 5:
				return errors.New("more than 5 redirects")
			case via[0].URL.Scheme == "https" && r.URL.Scheme != "https":
				return fmt.Errorf("redirected from https to %s", r.URL.Scheme)
			}
			return nil
		},
	}
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
			return r.dial(ctx, network, address)
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
	c, err := d.p.dial(ctx, network, address)
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
