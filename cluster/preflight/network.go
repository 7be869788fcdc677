package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"slipway.dev/cluster/node/layout"
)

// ranges refuses pod and service ranges that lie over an address or route of the
// machine, or over one another.
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
	taken, err := takenRanges(pods)
	if err != nil {
		return []Problem{{"routes-unreadable", err.Error(), "run as root in a network namespace that may be changed"}}
	}
	var found []Problem
	for name, mine := range map[string]netip.Prefix{"pod-range": pods, "service-range": services} {
		for _, t := range taken {
			if t.prefix.Overlaps(mine) {
				found = append(found, Problem{name, fmt.Sprintf("%s overlaps %s", mine, t.what), "configure another range"})
				break
			}
		}
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

// forwarding looks for a base chain that drops forwarded packets by policy. An
// accept in our own table can not overrule it: in netfilter a drop is final.
func forwarding(ctx context.Context) []Problem {
	out, err := exec.CommandContext(ctx, "nft", "-j", "list", "chains").Output()
	if err != nil {
		return []Problem{{"nftables-unusable", "nft list chains: " + err.Error(), "load the nf_tables module, and run with CAP_NET_ADMIN"}}
	}
	chains, err := droppingChains(out)
	if err != nil {
		return []Problem{{"nftables-unusable", err.Error(), "install a current nftables"}}
	}
	var found []Problem
	for _, c := range chains {
		rule := fmt.Sprintf("nft insert rule %s %s %s ip", c.Family, c.Table, c.Name)
		next := fmt.Sprintf("let pods through: `%[1]s saddr <pods> accept` and `%[1]s daddr <pods> accept`", rule)
		if c.Table == "filter" && c.Name == "FORWARD" {
			next = "run `iptables -P FORWARD ACCEPT` (Docker and ufw set it to DROP), or insert accept rules for the pod range"
		}
		found = append(found, Problem{"forwarding-dropped", fmt.Sprintf("chain %s of table %s %s drops forwarded packets by policy", c.Name, c.Family, c.Table), next})
	}
	return found
}

type chain struct {
	Family string `json:"family"`
	Table  string `json:"table"`
	Name   string `json:"name"`
	Hook   string `json:"hook"`
	Policy string `json:"policy"`
}

func droppingChains(list []byte) ([]chain, error) {
	var doc struct {
		Items []struct {
			Chain *chain `json:"chain"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(list, &doc); err != nil {
		return nil, fmt.Errorf("nft -j list chains: %w", err)
	}
	var found []chain
	for _, i := range doc.Items {
		if c := i.Chain; c != nil && c.Hook == "forward" && c.Policy == "drop" && strings.HasPrefix(c.Family, "i") {
			found = append(found, *c)
		}
	}
	return found, nil
}
