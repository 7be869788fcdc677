package preflight

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// forwarding looks for what drops packets of pods on their way through this machine. An
// accept in a table of our own can not overrule it: in netfilter a drop is final. The
// pod range has been looked at before.
func forwarding(ctx context.Context, podCIDR string) []Problem {
	pods, err := netip.ParsePrefix(podCIDR)
	if err != nil {
		return nil
	}
	all, err := nft(ctx, "chains")
	if err != nil {
		return []Problem{{"nftables-unusable", err.Error(), "install a current nftables, load the nf_tables module, and run with CAP_NET_ADMIN"}}
	}
	var found []Problem
	for _, c := range all.dropping() {
		table, err := nft(ctx, "table", c.Family, c.Table)
		if err == nil && table.firewall().lets(c.Name, pods) {
			continue
		}
		insert := fmt.Sprintf("nft insert rule %s %s %s ip", c.Family, c.Table, c.Name)
		next := fmt.Sprintf("let pods through: `%s saddr %s accept` and `%[1]s daddr %[2]s accept`", insert, pods)
		if c.Table == "filter" && c.Name == "FORWARD" {
			next = throughIptables("iptables", pods)
		}
		found = append(found, Problem{"forwarding-dropped", fmt.Sprintf("chain %s of table %s %s drops forwarded packets by policy", c.Name, c.Family, c.Table), next})
	}
	return append(found, legacy(ctx, pods)...)
}

func nft(ctx context.Context, what ...string) (listing, error) {
	out, err := exec.CommandContext(ctx, "nft", append([]string{"-j", "list"}, what...)...).Output()
	if err != nil {
		return listing{}, fmt.Errorf("nft list %s: %w", strings.Join(what, " "), err)
	}
	return parseListing(out)
}

func throughIptables(program string, pods netip.Prefix) string {
	return fmt.Sprintf("let pods through: `%s -I FORWARD -s %s -j ACCEPT` and `%[1]s -I FORWARD -d %[2]s -j ACCEPT` (Docker and ufw drop by policy)", program, pods)
}

// legacyTables is there where the kernel has the tables of iptables before nftables,
// which nft does not see.
const legacyTables = "/proc/net/ip_tables_names"

// legacy asks them by their own program, where it is installed.
func legacy(ctx context.Context, pods netip.Prefix) []Problem {
	tables, err := os.ReadFile(legacyTables)
	if err != nil || !slices.Contains(strings.Fields(string(tables)), "filter") {
		return nil
	}
	const program = "iptables-legacy"
	out, err := exec.CommandContext(ctx, program, "-t", "filter", "-S").Output()
	if err != nil {
		return nil
	}
	if f, policy := parseLegacy(string(out)); policy != "DROP" || f.lets("FORWARD", pods) {
		return nil
	}
	return []Problem{{"forwarding-dropped", "chain FORWARD of " + program + " drops forwarded packets by policy", throughIptables(program, pods)}}
}

// parseLegacy reads what `iptables -S` prints: the rules, and the policy of FORWARD.
func parseLegacy(text string) (f firewall, policy string) {
	f = firewall{}
	for line := range strings.Lines(text) {
		args := strings.Fields(line)
		if len(args) == 3 && args[0] == "-P" && args[1] == "FORWARD" {
			policy = args[2]
		}
		if len(args) < 3 || args[0] != "-A" {
			continue
		}
		f[args[1]] = append(f[args[1]], legacyRule(args[2:]))
	}
	return f, policy
}

func legacyRule(args []string) (r rule) {
	for len(args) > 0 {
		if len(args) == 1 {
			r.conditional = true
			return r
		}
		value := args[1]
		switch args[0] {
		case "-s", "-d":
			p, err := parseRange(value)
			r.conditional = r.conditional || err != nil
			if args[0] == "-s" {
				r.from = []netip.Prefix{p}
			} else {
				r.to = []netip.Prefix{p}
			}
		case "-i", "-o":
			r.conditional = r.conditional || value != "veth+"
			r.fromPods, r.toPods = r.fromPods || args[0] == "-i", r.toPods || args[0] == "-o"
		case "-j", "-g":
			r.verdict, r.target = map[string]string{"-j": "jump", "-g": "goto"}[args[0]], value
			if v, ok := map[string]string{"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}[value]; ok {
				r.verdict = v
			}
			return r // what follows are options of the target
		default:
			r.conditional = true
		}
		args = args[2:]
	}
	return r
}
