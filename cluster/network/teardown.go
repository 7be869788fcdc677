package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"slipway.dev/cluster/node/layout"
)

// ourTables are ours and kube-proxy's, which outlive it.
var ourTables = []string{"ip " + layout.Table, "inet " + layout.JobsTable, "ip " + layout.PolicyTable, "ip kube-proxy", "ip6 kube-proxy"}

// Teardown takes away everything that Setup, the CNI plugins and kube-proxy made
// in the calling thread's network namespace.
func Teardown(ctx context.Context, i Instance) error {
	var errs []error
	tables, err := tablesHere(ctx)
	errs = append(errs, err)
	for _, t := range tables {
		errs = append(errs, nft(ctx, "delete table "+t+"\n"))
	}
	links, err := linksOf(i)
	errs = append(errs, err)
	for _, l := range links {
		if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("interface %s: %w", l.Attrs().Name, err))
		}
	}
	routes, err := routesOf(i)
	errs = append(errs, err)
	for _, r := range routes {
		if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, fmt.Errorf("route %s: %w", r.Dst, err))
		}
	}
	return errors.Join(errs...)
}

// Left lists what Teardown would take away.
func Left(ctx context.Context, i Instance) ([]string, error) {
	var left []string
	tables, err := tablesHere(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		left = append(left, "nftables table "+t)
	}
	links, err := linksOf(i)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		left = append(left, "interface "+l.Attrs().Name)
	}
	routes, err := routesOf(i)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		left = append(left, "route "+r.Dst.String())
	}
	return left, nil
}

func tablesHere(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "nft", "list", "tables").Output()
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		name := strings.TrimPrefix(strings.TrimSpace(line), "table ")
		if slices.Contains(ourTables, name) {
			found = append(found, name)
		}
	}
	return found, nil
}

// linksOf finds our bridge and the host ends of pods: veths that carry an
// address of the pod range, as ptp gives them, or have a route to a pod.
func linksOf(i Instance) ([]netlink.Link, error) {
	pods, err := netip.ParsePrefix(i.PodCIDR)
	if err != nil {
		return nil, nil // never set up
	}
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("interfaces: %w", err)
	}
	var found []netlink.Link
	for _, l := range links {
		if l.Attrs().Name == layout.Bridge && i.Bridge {
			found = append(found, l)
			continue
		}
		if l.Type() != "veth" {
			continue
		}
		addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			continue // gone meanwhile
		}
		if slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
			ip, ok := netip.AddrFromSlice(a.IP.To4())
			return ok && pods.Contains(ip)
		}) {
			found = append(found, l)
		}
	}
	return found, nil
}

// routesOf finds the routes of routeMetric to our ranges, and nobody else's.
func routesOf(i Instance) ([]netlink.Route, error) {
	var found []netlink.Route
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst == nil || r.Priority != routeMetric {
			continue
		}
		for _, cidr := range []string{i.PodCIDR, i.ServiceCIDR} {
			if p, err := netip.ParsePrefix(cidr); err == nil && r.Dst.String() == p.Masked().String() {
				found = append(found, r)
			}
		}
	}
	return found, nil
}
