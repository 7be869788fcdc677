// Package outside owns which addresses this server connects to for a user: git
// repositories, charts, registries, files of other servers. It looks at an address
// when it is dialled, after its name was resolved, so that neither a redirect nor a
// name that changes its mind leads inside. It never reads a configuration and sends no
// credentials of its own.
//
// Start at Guard.
package outside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// ErrAddress is wrapped when an address is not one that may be connected to.
var ErrAddress = errors.New("address not allowed")

// Guard says which addresses may be connected to.
type Guard struct {
	// Private allows addresses of private networks and of this machine. Link-local
	// ones, where clouds keep their credentials, are never allowed.
	Private bool
}

var (
	metadata = []netip.Addr{netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("fd00:ec2::254")}
	// private in effect: RFC 6598 and its like, and addresses that stand for others.
	private = []netip.Prefix{
		netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"),
	}
)

// Check refuses an address ("192.0.2.1:443") that must not be connected to. It has the
// form of net.Dialer.Control.
func (g Guard) Check(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, ErrAddress)
	}
	a := ap.Addr().Unmap()
	refused := a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified()
	for _, m := range metadata {
		refused = refused || a == m
	}
	if refused {
		return fmt.Errorf("%s: %w", a, ErrAddress)
	}
	inside := a.IsPrivate() || a.IsLoopback()
	for _, p := range private {
		inside = inside || p.Contains(a)
	}
	if inside && !g.Private {
		return fmt.Errorf("%s is in a private network: %w; the server's configuration can allow it", a, ErrAddress)
	}
	return nil
}

// Dial connects to an address that Check accepts.
func (g Guard) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 15 * time.Second, Control: g.Check}
	return d.DialContext(ctx, network, address)
}

// Transport whose every connection was checked. Connections are not kept: one would be
// used again under the rules of another request.
func (g Guard) Transport() *http.Transport {
	return &http.Transport{DialContext: g.Dial, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute, DisableKeepAlives: true}
}

// HTTP is a client of such a transport. It follows few redirects, never from https to
// anything else, and carries no credentials to another host.
func (g Guard) HTTP() *http.Client {
	return &http.Client{Transport: g.Transport(), CheckRedirect: Redirect}
}

// Redirect is the rule for redirects, in the form of http.Client.CheckRedirect.
func Redirect(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) > 5:
		return errors.New("more than 5 redirects")
	case r.URL.Scheme != "https" && r.URL.Scheme != "http":
		return fmt.Errorf("redirected to %q", r.URL.Scheme)
	case via[0].URL.Scheme == "https" && r.URL.Scheme != "https":
		return fmt.Errorf("redirected from https to %s", r.URL.Scheme)
	}
	// net/http sends them to subdomains too, and a credential is bound to one host.
	if !strings.EqualFold(r.URL.Host, via[0].URL.Host) {
		for _, h := range []string{"Authorization", "Cookie", "Private-Token"} {
			r.Header.Del(h)
		}
	}
	return nil
}
