package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Pod with an address of its own; those in the node's network are left out.
type Pod struct {
	Namespace, Name string
	Labels          labels.Set
	Addr            netip.Addr // IPv4
	Ports           []Port
	// Local: it is on the node that the table is for.
	Local bool
}

// Port of a pod that has a name.
type Port struct {
	Name     string
	Protocol corev1.Protocol
	Number   uint16
}

// Input is all that the meaning of policies depends on. No two pods have one address.
type Input struct {
	Policies   []*networkingv1.NetworkPolicy
	Namespaces map[string]labels.Set
	Pods       []Pod
}

// Problem is what of a policy can not be enforced, and is left out: it lets nobody through.
type Problem struct {
	Policy  *networkingv1.NetworkPolicy
	Message string
}

// compiler has what is made of an input.
type compiler struct {
	Input
	in       map[string][]*Pod // by namespace
	table    Table
	members  map[string][]*Pod // by the name of the set
	problems []Problem
}

// Compile says what a node enforces.
func Compile(in Input) (Table, []Problem) {
	c := &compiler{Input: in, in: map[string][]*Pod{}, members: map[string][]*Pod{},
		table: Table{Sets: map[string]Set{}, Chains: map[string][]Rule{}, In: map[netip.Addr]string{}, Out: map[netip.Addr]string{}}}
	for i := range in.Pods {
		c.in[in.Pods[i].Namespace] = append(c.in[in.Pods[i].Namespace], &in.Pods[i])
	}
	c.Policies = slices.SortedFunc(slices.Values(in.Policies), func(a, b *networkingv1.NetworkPolicy) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	allowed := map[Direction]map[netip.Addr][]Rule{In: {}, Out: {}}
	for _, p := range c.Policies {
		c.policy(p, allowed)
	}
	for d, chains := range map[Direction]map[netip.Addr]string{In: c.table.In, Out: c.table.Out} {
		for addr, rules := range allowed[d] {
			chains[addr] = c.chain(d, rules)
		}
	}
	return c.table, c.problems
}

// policy adds what it allows to each pod of the node that it selects.
func (c *compiler) policy(p *networkingv1.NetworkPolicy, allowed map[Direction]map[netip.Addr][]Rule) {
	selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
	if err != nil {
		c.problem(p, "podSelector: %v", err)
		return
	}
	var limited []netip.Addr
	for _, pod := range c.in[p.Namespace] {
		if pod.Local && selector.Matches(pod.Labels) {
			limited = append(limited, pod.Addr)
		}
	}
	ingress, egress := directions(p)
	add := func(d Direction, rules []Rule) {
		for _, addr := range limited {
			allowed[d][addr] = append(allowed[d][addr], rules...)
		}
	}
	// Compiled also where it limits nobody here, for its problems; but no set is made then.
	if ingress {
		var rules []Rule
		for _, r := range p.Spec.Ingress {
			rules = append(rules, c.rule(p, In, r.From, r.Ports)...)
		}
		add(In, rules)
	}
	if egress {
		var rules []Rule
		for _, r := range p.Spec.Egress {
			rules = append(rules, c.rule(p, Out, r.To, r.Ports)...)
		}
		add(Out, rules)
	}
}

// directions that a policy limits. The API server fills policyTypes in; by its own words
// this is what they are without.
func directions(p *networkingv1.NetworkPolicy) (ingress, egress bool) {
	if len(p.Spec.PolicyTypes) == 0 {
		return true, len(p.Spec.Egress) > 0
	}
	return slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress), slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
}

// rule is one of the policy's as rules of nftables: each peer with each protocol.
func (c *compiler) rule(p *networkingv1.NetworkPolicy, d Direction, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) []Rule {
	var out []Rule
	for _, peer := range c.peers(p, peers) {
		for _, port := range c.ports(p, ports) {
			r := peer.rule
			r.Policy, r.Protocol, r.Ports = p.Namespace+"/"+p.Name, port.protocol, port.numbers
			if port.name != "" {
				switch {
				case d == In:
					r.Named = c.named(c.podSet(p.Namespace, &p.Spec.PodSelector, nil), port)
				case peer.pods != "":
					r.Named, r.Peers = c.named(peer.pods, port), ""
				default:
					c.problem(p, "port %q is a name, which only pods have, and the rule is about an ipBlock; give the number", port.name)
					r.Named = c.named(c.everyPod(), port)
				}
			}
			out = append(out, r)
		}
	}
	return out
}

// chain with those rules; the sets that they name are part of the table from then on.
func (c *compiler) chain(d Direction, rules []Rule) string {
	h := sha256.New()
	for _, r := range rules {
		fmt.Fprintln(h, r.Text(d), r.Policy)
		c.use(r)
	}
	name := string(d) + "-" + short(h.Sum(nil))
	c.table.Chains[name] = rules
	return name
}

func (c *compiler) problem(p *networkingv1.NetworkPolicy, format string, args ...any) {
	x := Problem{p, fmt.Sprintf(format, args...)}
	if !slices.Contains(c.problems, x) {
		c.problems = append(c.problems, x)
	}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return short(sum[:])
}

func short(sum []byte) string { return hex.EncodeToString(sum[:8]) }
