package network

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"slipway.dev/cluster/node/layout"
)

const defaultBridge = "10.41.0.1/24"

// nodeAddress picks the address the node is known by: the given one, or that of
// the interface with the default route, or that of a bridge of our own.
func nodeAddress(c Config) (netip.Addr, bool, error) {
	prefix, err := c.bridge()
	if err != nil {
		return netip.Addr{}, false, err
	}
	if c.NodeIP != "" {
		ip, err := localAddress(c.NodeIP)
		if err == nil || c.NodeIP != prefix.Addr().String() {
			return ip, false, err
		}
	} else if ip, ok, err := defaultRouteAddress(); err != nil || ok {
		return ip, false, err
	}
	return prefix.Addr(), true, makeBridge(prefix)
}

func (c Config) bridge() (netip.Prefix, error) {
	bridge := cmp.Or(c.BridgeCIDR, defaultBridge)
	prefix, err := netip.ParsePrefix(bridge)
	if err != nil {
		err = fmt.Errorf("bridge address %q: not of the form %s", bridge, defaultBridge)
	}
	return prefix, err
}

// BridgeRange is the range that a bridge of ours would take, and whether Setup will make
// one. It changes nothing.
func BridgeRange(c Config) (r netip.Prefix, needed bool, err error) {
	r, err = c.bridge()
	if err != nil || c.NodeIP != "" {
		return r.Masked(), false, err
	}
	_, has, err := defaultRouteAddress()
	return r.Masked(), !has, err
}

func localAddress(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil || !ip.Is4() || ip.IsLoopback() || ip.IsUnspecified() {
		return ip, fmt.Errorf("node address %q: must be an IPv4 address of this machine, not a loopback one", text)
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return ip, err
	}
	for _, a := range addrs {
		if a.IP.Equal(ip.AsSlice()) {
			return ip, nil
		}
	}
	return ip, fmt.Errorf("node address %s: no interface has it; see `ip address`", text)
}

// defaultRouteAddress is the source address that packets to far away would have.
func defaultRouteAddress() (netip.Addr, bool, error) {
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return netip.Addr{}, false, fmt.Errorf("routes: %w", err)
	}
	var best *netlink.Route
	for _, r := range routes {
		isDefault := r.Dst == nil || (r.Dst.IP.IsUnspecified() && ones(r.Dst.Mask) == 0)
		if isDefault && r.LinkIndex > 0 && r.Type == unix.RTN_UNICAST && (best == nil || r.Priority < best.Priority) {
			best = &r
		}
	}
	if best == nil {
		return netip.Addr{}, false, nil
	}
	if ip, ok := netip.AddrFromSlice(best.Src.To4()); ok {
		return ip, true, nil
	}
	link, err := netlink.LinkByIndex(best.LinkIndex)
	if err != nil {
		return netip.Addr{}, false, err
	}
	addrs, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return netip.Addr{}, false, err
	}
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP.To4()); ok && a.Flags&unix.IFA_F_SECONDARY == 0 && !ip.IsLinkLocalUnicast() {
			return ip, true, nil
		}
	}
	return netip.Addr{}, false, nil
}

func ones(mask []byte) int {
	n := 0
	for _, b := range mask {
		for ; b != 0; b &= b - 1 {
			n++
		}
	}
	return n
}

func makeBridge(prefix netip.Prefix) error {
	link, err := netlink.LinkByName(layout.Bridge)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = layout.Bridge
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
			return fmt.Errorf("bridge %s: %w; give --node-ip if the kernel has no bridges", layout.Bridge, err)
		}
		link, err = netlink.LinkByName(layout.Bridge)
	}
	if err != nil {
		return fmt.Errorf("bridge %s: %w", layout.Bridge, err)
	}
	addr, err := netlink.ParseAddr(prefix.String())
	if err != nil {
		return err
	}
	if err := netlink.AddrReplace(link, addr); err != nil {
		return fmt.Errorf("bridge %s: address %s: %w", layout.Bridge, prefix, err)
	}
	return netlink.LinkSetUp(link)
}
