package rules

import (
	"fmt"
	"net/netip"
	"strings"
)

// Direction of packets, as the pod sees it that is limited.
type Direction string

// In is ingress, Out egress.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// Rule lets packets through to which all of it applies.
type Rule struct {
	// Peers is a set of addresses; empty: whoever it is.
	Peers string
	// Within are ranges without overlap of which the peer is in one, and Except those that
	// it is in none of.
	Within, Except []netip.Prefix
	// Protocol tcp, udp or sctp; empty: any, and nothing more is asked.
	Protocol string
	// Ports without overlap; none, with a protocol: all of them.
	Ports []Range
	// Named is a set of destinations with their ports.
	Named string
	// Policy that it comes from, as namespace/name.
	Policy string
}

// Text of the rule in nftables' words, without what then happens.
func (r Rule) Text(d Direction) string {
	peer := "ip saddr"
	if d == Out {
		peer = "ip daddr"
	}
	var words []string
	if r.Peers != "" {
		words = append(words, peer+" @"+r.Peers)
	}
	if len(r.Within) > 0 && !anywhere(r.Within) {
		words = append(words, peer+" "+braces(r.Within))
	}
	if len(r.Except) > 0 {
		words = append(words, peer+" != "+braces(r.Except))
	}
	switch {
	case r.Named != "":
		words = append(words, "ip daddr . "+r.Protocol+" dport @"+r.Named)
	case len(r.Ports) > 0:
		words = append(words, r.Protocol+" dport "+braces(r.Ports))
	case r.Protocol != "":
		words = append(words, "meta l4proto "+r.Protocol)
	}
	return strings.Join(words, " ")
}

func braces[T fmt.Stringer](of []T) string {
	words := make([]string, len(of))
	for i, x := range of {
		words[i] = x.String()
	}
	return "{ " + strings.Join(words, ", ") + " }"
}
