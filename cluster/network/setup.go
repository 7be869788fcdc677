package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"slipway.dev/cluster/atomicfile"
	"slipway.dev/cluster/node/layout"
)

// Config says which ranges to serve.
type Config struct {
	DataDir     string
	PodCIDR     string // of all pods, such as 10.42.0.0/16
	ServiceCIDR string
	NodeIP      string // optional: given by the user, instead of chosen
	Jobs        Jobs
	BridgeCIDR  string // optional: address of slipway0 where there is no default route; default 10.41.0.1/24
}

// Result says what was found or made.
type Result struct {
	NodeIP   netip.Addr
	Bridge   bool     // slipway0 was needed
	Warnings []string // what could not be set, with what to do
}

// Instance is what reset needs to know about a server that may be gone. It lies
// in the data directory.
type Instance struct {
	Boot        string `json:"boot"`
	NetNS       uint64 `json:"netns"` // inode of the network namespace
	PodCIDR     string `json:"podCIDR"`
	ServiceCIDR string `json:"serviceCIDR"`
	NodeIP      string `json:"nodeIP"`
	Bridge      bool   `json:"bridge"`
}

// Setup prepares the network namespace of the calling process. It may be
// repeated: a second call changes nothing.
func Setup(ctx context.Context, c Config) (*Result, error) {
	pods, err := parseRange("pod range", c.PodCIDR)
	if err != nil {
		return nil, err
	}
	services, err := parseRange("service range", c.ServiceCIDR)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	if err := upLoopback(); err != nil {
		return nil, err
	}
	if r.NodeIP, r.Bridge, err = nodeAddress(c); err != nil {
		return nil, err
	}
	// From here on reset has something to take away.
	if err := record(c, r); err != nil {
		return nil, err
	}
	if err := forwarding(); err != nil {
		r.Warnings = append(r.Warnings, err.Error())
	}
	if err := unreachable(pods); err != nil {
		return nil, err
	}
	if err := serviceRoute(services, r); err != nil {
		return nil, err
	}
	if err := applyJobs(ctx, pods, services, c.Jobs); err != nil {
		return nil, err
	}
	return r, applyTable(ctx, pods, services)
}

func parseRange(what, cidr string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(cidr)
	switch {
	case err != nil:
		return p, fmt.Errorf("%s %q: not an address range such as 10.42.0.0/16", what, cidr)
	case !p.Addr().Is4():
		return p, fmt.Errorf("%s %s: only IPv4 is served", what, cidr)
	}
	return p.Masked(), nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}

func upLoopback() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("loopback interface: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

const forwardFile = "/proc/sys/net/ipv4/ip_forward"

// forwarding lets packets of pods pass. Some machines have /proc/sys read-only;
// that is fine where it is on already.
func forwarding() error {
	have, err := os.ReadFile(forwardFile)
	if err == nil && strings.TrimSpace(string(have)) == "1" {
		return nil
	}
	if err := os.WriteFile(forwardFile, []byte("1\n"), 0o644); err != nil {
		return fmt.Errorf("forwarding is off and can not be set (%w): pods will not reach one another; run `sysctl -w net.ipv4.ip_forward=1`", err)
	}
	return nil
}

// routeMetric is the worst there is, so that any real route wins.
const routeMetric = 1<<31 - 1

// unreachable refuses pod addresses that are not live, which would else leave by
// the default gateway. Live pods have a route of their own (/32).
func unreachable(pods netip.Prefix) error {
	route := &netlink.Route{Dst: ipNet(pods), Type: unix.RTN_UNREACHABLE, Priority: routeMetric}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("unreachable route for %s: %w", pods, err)
	}
	return nil
}

// serviceRoute gives the service range a way out of a machine that has no
// default route: without any route, connect fails before kube-proxy's rules see
// the packet. Addresses of no service are refused by our table instead of by a
// route, for the same reason.
func serviceRoute(services netip.Prefix, r *Result) error {
	if !r.Bridge {
		return nil
	}
	link, err := netlink.LinkByName(layout.Bridge)
	if err != nil {
		return err
	}
	route := &netlink.Route{Dst: ipNet(services), LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK,
		Src: r.NodeIP.AsSlice(), Priority: routeMetric}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("route for services %s: %w", services, err)
	}
	return nil
}

func record(c Config, r *Result) error {
	l, err := layout.New(c.DataDir)
	if err != nil {
		return err
	}
	ns, err := NetNS("/proc/self/ns/net")
	if err != nil {
		return err
	}
	data, err := json.Marshal(Instance{Boot: bootID(), NetNS: ns, PodCIDR: c.PodCIDR, ServiceCIDR: c.ServiceCIDR,
		NodeIP: r.NodeIP.String(), Bridge: r.Bridge})
	if err != nil {
		return err
	}
	return atomicfile.Write(l.Instance(), append(data, '\n'), 0o600)
}

// ReadInstance reads what Setup recorded; ok is false when there is nothing, or
// when it is from before the last boot of the machine.
func ReadInstance(l layout.Layout) (i Instance, ok bool, err error) {
	data, err := os.ReadFile(l.Instance())
	if errors.Is(err, os.ErrNotExist) {
		return i, false, nil
	}
	if err != nil {
		return i, false, err
	}
	if err := json.Unmarshal(data, &i); err != nil {
		return i, false, fmt.Errorf("%s: %w; delete it and start the server again", l.Instance(), err)
	}
	return i, i.Boot == bootID(), nil
}

// NetNS identifies the network namespace behind a path such as /proc/self/ns/net.
func NetNS(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("network namespace %s: %w", path, err)
	}
	return st.Ino, nil
}

func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}
