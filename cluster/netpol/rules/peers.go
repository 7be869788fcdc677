package rules

import (
	"encoding/json"
	"net/netip"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// peer is a rule that says only with whom.
type peer struct {
	rule Rule
	// pods is the set of them; empty where it is ranges.
	pods string
}

// peers that are given; none given is everybody.
func (c *compiler) peers(p *networkingv1.NetworkPolicy, given []networkingv1.NetworkPolicyPeer) (out []peer) {
	if len(given) == 0 {
		// Only a port's name asks which pods these are.
		return []peer{{pods: c.everyPod()}}
	}
	seen := map[string]bool{}
	var whole []netip.Prefix
	for _, g := range given {
		if g.IPBlock != nil {
			within, except, ok := c.block(p, g.IPBlock)
			switch {
			case !ok:
			case len(except) == 0:
				whole = append(whole, within)
			default:
				out = append(out, peer{rule: Rule{Within: []netip.Prefix{within}, Except: except}})
			}
			continue
		}
		if set := c.podSet(p.Namespace, g.PodSelector, g.NamespaceSelector); set != "" && !seen[set] {
			seen[set] = true
			out = append(out, peer{rule: Rule{Peers: set}, pods: set})
		}
	}
	if len(whole) > 0 {
		out = append(out, peer{rule: Rule{Within: outermost(whole)}})
	}
	return out
}

func (c *compiler) everyPod() string { return c.podSet("", nil, &metav1.LabelSelector{}) }

// block is an ipBlock, and whether anything of it is left.
func (c *compiler) block(p *networkingv1.NetworkPolicy, b *networkingv1.IPBlock) (within netip.Prefix, except []netip.Prefix, ok bool) {
	within, ok = c.prefix(p, b.CIDR)
	if !ok {
		return within, nil, false
	}
	for _, text := range b.Except {
		e, ok := c.prefix(p, text)
		if !ok || !e.Overlaps(within) {
			continue
		}
		if e.Bits() <= within.Bits() {
			return within, nil, false
		}
		except = append(except, e)
	}
	return within, outermost(except), true
}

func (c *compiler) prefix(p *networkingv1.NetworkPolicy, text string) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		c.problem(p, "ipBlock %q is not a range such as 192.0.2.0/24", text)
	case !prefix.Addr().Is4():
		c.problem(p, "ipBlock %s: pods have IPv4 addresses only, so that it matches nothing", text)
	default:
		return prefix.Masked(), true
	}
	return prefix, false
}

// podSet names the set of pods that the selectors are about: of the namespace, or of those
// that a selector selects. It becomes part of the table only where a rule uses it. It is
// empty where a selector has no meaning, which the API server does not let pass.
func (c *compiler) podSet(namespace string, pods, namespaces *metav1.LabelSelector) string {
	if namespaces != nil {
		namespace = ""
	}
	text, err := json.Marshal([]any{namespace, pods, namespaces})
	if err != nil {
		return ""
	}
	name := "p-" + digest(string(text))
	if _, known := c.members[name]; known {
		return name
	}
	selector := labels.Everything()
	if pods != nil {
		if selector, err = metav1.LabelSelectorAsSelector(pods); err != nil {
			return ""
		}
	}
	found := []*Pod{}
	from := func(ns string) {
		for _, pod := range c.in[ns] {
			if selector.Matches(pod.Labels) {
				found = append(found, pod)
			}
		}
	}
	if namespaces == nil {
		from(namespace)
	} else {
		of, err := metav1.LabelSelectorAsSelector(namespaces)
		if err != nil {
			return ""
		}
		for ns := range c.in {
			if l, there := c.Namespaces[ns]; there && of.Matches(l) {
				from(ns)
			}
		}
	}
	c.members[name] = found
	return name
}
