package preflight

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"slipway.dev/cluster/network"
	"slipway.dev/cluster/node/layout"
)

// ranges refuses pod and service ranges, and that of our own bridge where one is needed,
// that lie over an address or route of the machine, or over one another.
func ranges(c Config) []Problem {
	pods, err := netip.ParsePrefix(c.PodCIDR)
	if err != nil {
		return []Problem{{"pod-range", fmt.Sprintf("%q is not an address range", c.PodCIDR), "give one such as 10.42.0.0/16"}}
	}
	services, err := netip.ParsePrefix(c.ServiceCIDR)
	if err != nil {
		return []Problem{{"service-range", fmt.Sprintf("%q is not an address range", c.ServiceCIDR), "give one such as 10.43.0.0/16"}}
	}
	if pods.Overlaps(services) {
		return []Problem{{"service-range", fmt.Sprintf("services %s and pods %s overlap", services, pods), "give ranges that do not"}}
	}
	const unreadable = "run as root in a network namespace that may be changed"
	taken, err := takenRanges(pods)
	if err != nil {
		return []Problem{{"routes-unreadable", err.Error(), unreadable}}
	}
	bridge, needed, err := network.BridgeRange(network.Config{NodeIP: c.NodeIP})
	if err != nil {
		return []Problem{{"routes-unreadable", err.Error(), unreadable}}
	}
	var found []Problem
	overlap := func(name string, mine netip.Prefix, next string) {
		for _, t := range taken {
			if t.prefix.Overlaps(mine) {
				found = append(found, Problem{name, fmt.Sprintf("%s overlaps %s", mine, t.what), next})
				return
			}
		}
	}
	overlap("pod-range", pods, "give another range by --pod-cidr, such as 10.200.0.0/16")
	overlap("service-range", services, "give another range by --service-cidr, such as 10.201.0.0/16")
	if needed {
		overlap("node-range", bridge, "give an address of this machine by --node-ip: it has no default route to choose one by")
	}
	return found
}

type taken struct {
	prefix netip.Prefix
	what   string
}

// takenRanges are the addresses and routes of the machine, but for our own: the
// bridge, host ends of pods, and the routes with the worst metric.
func takenRanges(pods netip.Prefix) ([]taken, error) {
	var found []taken
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("interfaces: %w", err)
	}
	names := map[int]string{}
	ours := map[int]bool{}
	for _, l := range links {
		a := l.Attrs()
		names[a.Index] = a.Name
		addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			continue
		}
		if a.Name == layout.Bridge || podVeth(l, addrs, pods) {
			ours[a.Index] = true
			continue
		}
		for _, addr := range addrs {
			if p, err := netip.ParsePrefix(addr.IPNet.String()); err == nil {
				found = append(found, taken{p.Masked(), fmt.Sprintf("address %s of interface %s", addr.IPNet, a.Name)})
			}
		}
	}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst == nil || ours[r.LinkIndex] || r.Priority == 1<<31-1 {
			continue
		}
		p, err := netip.ParsePrefix(r.Dst.String())
		if err != nil || p.Bits() == 0 {
			continue
		}
		found = append(found, taken{p, fmt.Sprintf("route %s by %s", p, names[r.LinkIndex])})
	}
	return found, nil
}

// podVeth knows the host end of a pod of ours, left by a server that was killed:
// ptp gives it the gateway address alone (/32).
func podVeth(l netlink.Link, addrs []netlink.Addr, pods netip.Prefix) bool {
	if l.Type() != "veth" || len(addrs) == 0 {
		return false
	}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP.To4())
		if bits, _ := a.Mask.Size(); !ok || bits != 32 || ip != pods.Masked().Addr().Next() {
			return false
		}
	}
	return true
}
