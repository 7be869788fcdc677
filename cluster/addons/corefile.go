package addons

import (
	"net/netip"
	"slices"
	"strings"
)

// nameservers are the servers of a resolv.conf that a pod can reach: a loopback
// address is the host's own resolver, and in a pod it would be the pod itself.
func nameservers(resolv string) []string {
	var out []string
	for line := range strings.Lines(resolv) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		addr, err := netip.ParseAddr(fields[1])
		if err != nil || addr.IsLoopback() || addr.IsUnspecified() || addr.IsLinkLocalUnicast() || addr.Zone() != "" {
			continue
		}
		if text := addr.Unmap().String(); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out[:min(len(out), 3)]
}

// corefile is the configuration of CoreDNS. Without a server to forward to, names
// outside the cluster are refused at once and not after a time-out.
func corefile(servers []string) string {
	forward := ""
	if len(servers) > 0 {
		forward = "    forward . " + strings.Join(servers, " ") + " {\n        max_concurrent 1000\n    }\n"
	}
	return `.:53 {
    errors
    health {
        lameduck 3s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
` + forward + `    cache 30
    loop
    reload
    loadbalance
}
`
}
