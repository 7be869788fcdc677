package embedded

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// guardedTransport connects to public addresses only, unless told otherwise. The
// address is checked when it is dialled, after the name was resolved, so that
// neither a redirect nor a name that changes its mind leads inside.
func guardedTransport(allowPrivate bool) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	checked := *dialer
	checked.Control = func(_, address string, _ syscall.RawConn) error { return checkAddress(address) }
	proxies := map[string]bool{}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       60 * time.Second,
		MaxIdleConnsPerHost:   8,
		ForceAttemptHTTP2:     true,
	}
	// A proxy is what the operator set in the environment, and may be inside.
	for _, scheme := range []string{"http", "https"} {
		u, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: "registry.example"}})
		if err == nil && u != nil {
			proxies[hostPort(u)] = true
		}
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if allowPrivate || proxies[address] {
			return dialer.DialContext(ctx, network, address)
		}
		return checked.DialContext(ctx, network, address)
	}
	return t
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// sharedAddresses are private in effect: RFC 6598, and those that stand for others.
var sharedAddresses = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("2002::/16"),
}

func checkAddress(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	ip := ap.Addr().Unmap()
	refused := !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
	for _, p := range sharedAddresses {
		refused = refused || p.Contains(ip)
	}
	if refused {
		return fmt.Errorf("address %s is not a public one; start the server with --private-sources if it is meant", ip)
	}
	return nil
}
