package network

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"slipway.dev/cluster/node/layout"
)

// tableText is the whole of our table. It is applied in one transaction that
// first empties what was there, so that repeating it is harmless.
//
// pods-out: what pods send out of the cluster leaves with the node's address;
// one rule for all pods is cheaper than one chain for each.
// from-here: service addresses that kube-proxy did not rewrite are nobody's. It is
// a rule and not a route, because a route would also refuse the live ones.
// through: the same for pods; its accept has effect only where nobody else drops; preflight names who does.
func tableText(pods, services netip.Prefix) string {
	return fmt.Sprintf(`table ip %[1]s {}
flush table ip %[1]s
table ip %[1]s {
	chain pods-out {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr %[2]s ip daddr != %[2]s ip daddr != %[3]s ip daddr != 224.0.0.0/4 masquerade
	}
	chain from-here {
		type filter hook output priority filter; policy accept;
		ip daddr %[3]s reject with icmp host-unreachable
	}
	chain through {
		type filter hook forward priority filter; policy accept;
		ip daddr %[3]s reject with icmp host-unreachable
		ip saddr %[2]s accept
		ip daddr %[2]s accept
	}
}
`, layout.Table, pods, services)
}

func applyTable(ctx context.Context, pods, services netip.Prefix) error {
	return nft(ctx, tableText(pods, services))
}

// nft runs a script of ours through nft's standard input.
func nft(ctx context.Context, script string) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("nftables: %w: %s", err, strings.TrimSpace(out.String()))
	}
	return nil
}
