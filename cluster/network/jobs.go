package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"slipway.dev/cluster/node/layout"
)

// Jobs says what the pods of jobs, and the RUN steps of builds, may reach besides
// what they always need.
type Jobs struct {
	// DNS is the service address of cluster DNS.
	DNS string
	// FrontDoor is the address that the front door listens on; all of the machine's
	// where it names none.
	FrontDoor string
	// Outside is Public, Private, ranges, several with commas between, or None.
	Outside string
}

// Words of Jobs.Outside besides ranges.
const (
	Public  = "public"  // every address that is not private
	Private = "private" // private addresses, such as those of the machine's own network
	None    = "none"
)

// notPublic are the ranges that no address of the internet is in.
const notPublic = "{ 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.168.0.0/16, 198.18.0.0/15, 224.0.0.0/3 }"

// ParseOutside is the value of Jobs.Outside as conditions of nftables, one a rule.
func ParseOutside(text string) ([]string, error) {
	var conditions []string
	words := strings.Split(text, ",")
	for _, w := range words {
		switch w = strings.TrimSpace(w); w {
		case None:
			if len(words) > 1 {
				return nil, fmt.Errorf("%q: %s goes with nothing else", text, None)
			}
		case Public:
			conditions = append(conditions, "ip daddr != "+notPublic)
		case Private:
			conditions = append(conditions, "ip daddr { 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16, 198.18.0.0/15 }")
		default:
			p, err := netip.ParsePrefix(w)
			if err != nil || !p.Addr().Is4() {
				return nil, fmt.Errorf("%q: want %s, %s, %s or ranges such as 192.0.2.0/24, with commas between", text, Public, Private, None)
			}
			conditions = append(conditions, "ip daddr "+p.Masked().String())
		}
	}
	return conditions, nil
}

// jobsText is the table that keeps jobs apart. The host end of a job's interface is
// in a group of its own, which the CNI plugin `slipway-jobs` put it in; with the
// interface goes the group, so that there is nothing to keep or to clean up.
//
// Addresses that nobody may have are refused early, where there is no route to them yet:
// the kernel's own answer to that is limited in its rate, and a script would hang.
//
// All else is judged after kube-proxy has rewritten it: whatever a service, a node port
// or an external address stands for is refused as the pod or port that it is. Cluster
// DNS is the exception, by the address that the job had asked for.
func jobsText(pods, services netip.Prefix, j Jobs) (string, error) {
	dns, err := netip.ParseAddr(j.DNS)
	if err != nil {
		return "", fmt.Errorf("address of cluster DNS: %w", err)
	}
	host, port, err := net.SplitHostPort(j.FrontDoor)
	if err != nil {
		return "", fmt.Errorf("front door: %w", err)
	}
	front := "tcp dport " + port
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() && !ip.IsUnspecified() {
		front = "ip daddr " + host + " " + front
	}
	outside, err := ParseOutside(j.Outside)
	if err != nil {
		return "", fmt.Errorf("jobs' outside %w", err)
	}
	for i := range outside {
		outside[i] += " accept"
	}
	return fmt.Sprintf(`table inet %[1]s {}
flush table inet %[1]s
table inet %[1]s {
	chain from {
		type filter hook prerouting priority raw; policy accept;
		iifgroup %[2]d meta nfproto ipv6 drop
		iifgroup %[2]d fib saddr . iif oif missing drop
	}
	chain early {
		type filter hook prerouting priority dstnat - 10; policy accept;
		iifgroup %[2]d ct state new ip daddr { %[5]s, 169.254.0.0/16 } goto refuse
	}
	chain machine {
		type filter hook input priority filter - 10; policy accept;
		iifgroup %[2]d goto to-machine
	}
	chain through {
		type filter hook forward priority filter - 10; policy accept;
		iifgroup %[2]d goto to-others
		oifgroup %[2]d ct state established,related accept
		oifgroup %[2]d goto refuse
	}
	chain to-machine {
		ct state established,related accept
		meta nfproto ipv4 %[3]s accept
		goto refuse
	}
	chain to-others {
		ct state established,related accept
		ct original ip daddr %[4]s meta l4proto { tcp, udp } th dport 53 accept
		ip daddr %[5]s goto refuse
		ip daddr %[6]s goto refuse
		ip daddr 169.254.0.0/16 goto refuse
		%[7]s
		goto refuse
	}
	chain refuse {
		meta l4proto tcp reject with tcp reset
		reject with icmpx admin-prohibited
	}
}
`, layout.JobsTable, layout.JobsGroup, front, dns, pods, services, strings.Join(outside, "\n\t\t")), nil
}

func applyJobs(ctx context.Context, pods, services netip.Prefix, j Jobs) error {
	text, err := jobsText(pods, services, j)
	if err != nil {
		return err
	}
	return nft(ctx, text)
}
