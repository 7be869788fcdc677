package preflight

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// firewall is what a table says of forwarded packets, in its own order. Of a rule only
// what concerns pods is understood; one with any other condition may or may not apply,
// and counts for nothing.
type firewall map[string][]rule

type rule struct {
	// from and to: the addresses that it applies to, nil for any. A rule for the host ends
	// of pods' interfaces is one for their addresses.
	from, to         []netip.Prefix
	fromPods, toPods bool
	conditional      bool
	verdict          string // accept, drop, return, jump, goto; empty: none
	target           string // of jump and goto
}

// packet is any that pods send, or any that they get.
type packet struct {
	pods netip.Prefix
	sent bool
}

// applies says whether the rule is for every such packet.
func (r rule) applies(p packet) bool {
	covers := func(ranges []netip.Prefix, mine bool) bool {
		return ranges == nil || slices.ContainsFunc(ranges, func(x netip.Prefix) bool {
			return x.Bits() == 0 || mine && x.Bits() <= p.pods.Bits() && x.Contains(p.pods.Addr())
		})
	}
	return !r.conditional && covers(r.from, p.sent) && covers(r.to, !p.sent) && (!r.fromPods || p.sent) && (!r.toPods || !p.sent)
}

// deepest chain of jumps that is followed; netfilter's own limit.
const deepest = 16

// judge walks a chain; empty is the verdict of one that ends without any.
func (f firewall) judge(chain string, p packet, depth int) string {
	if depth > deepest {
		return ""
	}
	for _, r := range f[chain] {
		if !r.applies(p) {
			continue
		}
		switch r.verdict {
		case "accept", "drop":
			return r.verdict
		case "return":
			return ""
		case "jump", "goto":
			if v := f.judge(r.target, p, depth+1); v != "" || r.verdict == "goto" {
				return v
			}
		}
	}
	return ""
}

// lets says whether packets of pods pass in both directions through a chain that else
// drops.
func (f firewall) lets(chain string, pods netip.Prefix) bool {
	return f.judge(chain, packet{pods, true}, 0) == "accept" && f.judge(chain, packet{pods, false}, 0) == "accept"
}

type chain struct {
	Family string `json:"family"`
	Table  string `json:"table"`
	Name   string `json:"name"`
	Hook   string `json:"hook"`
	Policy string `json:"policy"`
}

// listing is what `nft -j list` prints.
type listing struct {
	Items []struct {
		Chain *chain `json:"chain"`
		Rule  *struct {
			Chain string                       `json:"chain"`
			Expr  []map[string]json.RawMessage `json:"expr"`
		} `json:"rule"`
	} `json:"nftables"`
}

func parseListing(b []byte) (listing, error) {
	var l listing
	if err := json.Unmarshal(b, &l); err != nil {
		return l, fmt.Errorf("nft -j list: %w", err)
	}
	return l, nil
}

// dropping are the base chains that drop forwarded IPv4 packets by policy.
func (l listing) dropping() (found []chain) {
	for _, i := range l.Items {
		if c := i.Chain; c != nil && c.Hook == "forward" && c.Policy == "drop" && (c.Family == "ip" || c.Family == "inet") {
			found = append(found, *c)
		}
	}
	return found
}

// firewall of a listing of one table.
func (l listing) firewall() firewall {
	f := firewall{}
	for _, i := range l.Items {
		if i.Rule == nil {
			continue
		}
		var r rule
		for _, e := range i.Rule.Expr {
			for kind, value := range e {
				r.take(kind, value)
			}
		}
		f[i.Rule.Chain] = append(f[i.Rule.Chain], r)
	}
	return f
}

// take one expression of nft's.
func (r *rule) take(kind string, value json.RawMessage) {
	switch kind {
	case "accept", "drop", "return":
		r.verdict = kind
	case "reject":
		r.verdict = "drop"
	case "jump", "goto":
		var to struct{ Target string }
		if json.Unmarshal(value, &to) == nil {
			r.verdict, r.target = kind, to.Target
		}
	case "counter", "log":
	case "match":
		r.conditional = r.conditional || !r.match(value)
	default:
		r.conditional = true
	}
}

// match understands comparisons with addresses and with the names of pods' interfaces.
func (r *rule) match(value json.RawMessage) bool {
	var m struct {
		Op   string
		Left struct {
			Payload struct{ Protocol, Field string }
			Meta    struct{ Key string }
		}
		Right json.RawMessage
	}
	if json.Unmarshal(value, &m) != nil || m.Op != "==" {
		return false
	}
	key := m.Left.Payload.Protocol + m.Left.Payload.Field + m.Left.Meta.Key
	switch key {
	case "ipsaddr", "ipdaddr":
		ranges, ok := nftRanges(m.Right)
		if key == "ipsaddr" {
			r.from = ranges
		} else {
			r.to = ranges
		}
		return ok
	case "iifname", "oifname":
		var name string
		if json.Unmarshal(m.Right, &name) != nil || name != "veth*" {
			return false
		}
		r.fromPods, r.toPods = r.fromPods || key == "iifname", r.toPods || key == "oifname"
		return true
	}
	return false
}

// nftRanges reads a prefix, an address or a set of them.
func nftRanges(value json.RawMessage) ([]netip.Prefix, bool) {
	var text string
	if json.Unmarshal(value, &text) == nil {
		p, err := parseRange(text)
		return []netip.Prefix{p}, err == nil
	}
	var v struct {
		Prefix *struct {
			Addr string
			Len  int
		}
		Set []json.RawMessage
	}
	if json.Unmarshal(value, &v) != nil {
		return nil, false
	}
	if v.Prefix != nil {
		p, err := parseRange(fmt.Sprintf("%s/%d", v.Prefix.Addr, v.Prefix.Len))
		return []netip.Prefix{p}, err == nil
	}
	var all []netip.Prefix
	for _, one := range v.Set {
		if some, ok := nftRanges(one); ok {
			all = append(all, some...)
		}
	}
	return all, len(all) > 0
}

// parseRange reads an address or a range.
func parseRange(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		text += "/32"
	}
	return netip.ParsePrefix(text)
}
