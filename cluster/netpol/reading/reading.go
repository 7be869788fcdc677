// Package reading owns a second, naive reading of network policies, word by word and
// packet by packet, and clusters to read them in. Tests hold the rules, and what the
// kernel makes of them, against it; the program never uses it. Start at Lets.
package reading

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"slipway.dev/cluster/netpol/rules"
)

// Packet is the first of a connection, after kube-proxy has rewritten it.
type Packet struct {
	From, To netip.Addr
	Protocol string // tcp, udp, sctp, icmp
	Port     uint16
}

// Lets reads the policies word by word, as Kubernetes' documentation has it.
func Lets(in rules.Input, p Packet) bool {
	if p.From == p.To {
		return true
	}
	return side(in, p, p.From, p.To, networkingv1.PolicyTypeEgress) && side(in, p, p.To, p.From, networkingv1.PolicyTypeIngress)
}

func side(in rules.Input, p Packet, own, peer netip.Addr, direction networkingv1.PolicyType) bool {
	me := podAt(in, own)
	if me == nil || !me.Local {
		return true
	}
	isolated := false
	for _, policy := range in.Policies {
		types := policy.Spec.PolicyTypes
		if len(types) == 0 {
			types = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
			if len(policy.Spec.Egress) > 0 {
				types = append(types, networkingv1.PolicyTypeEgress)
			}
		}
		if policy.Namespace != me.Namespace || !selects(&policy.Spec.PodSelector, me.Labels) || !slices.Contains(types, direction) {
			continue
		}
		isolated = true
		if direction == networkingv1.PolicyTypeIngress {
			for _, r := range policy.Spec.Ingress {
				if from(in, policy.Namespace, r.From, peer) && onPort(in, r.Ports, p) {
					return true
				}
			}
			continue
		}
		for _, r := range policy.Spec.Egress {
			if from(in, policy.Namespace, r.To, peer) && onPort(in, r.Ports, p) {
				return true
			}
		}
	}
	return !isolated
}

func podAt(in rules.Input, a netip.Addr) *rules.Pod {
	for i := range in.Pods {
		if in.Pods[i].Addr == a {
			return &in.Pods[i]
		}
	}
	return nil
}

func selects(s *metav1.LabelSelector, l labels.Set) bool {
	x, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && x.Matches(l)
}

func from(in rules.Input, ns string, peers []networkingv1.NetworkPolicyPeer, who netip.Addr) bool {
	if len(peers) == 0 {
		return true
	}
	pod := podAt(in, who)
	for _, peer := range peers {
		if b := peer.IPBlock; b != nil {
			if netip.MustParsePrefix(b.CIDR).Contains(who) && !slices.ContainsFunc(b.Except, func(e string) bool { return netip.MustParsePrefix(e).Contains(who) }) {
				return true
			}
			continue
		}
		if pod == nil || peer.PodSelector != nil && !selects(peer.PodSelector, pod.Labels) {
			continue
		}
		if peer.NamespaceSelector == nil && pod.Namespace == ns || peer.NamespaceSelector != nil && selects(peer.NamespaceSelector, in.Namespaces[pod.Namespace]) {
			return true
		}
	}
	return false
}

func onPort(in rules.Input, ports []networkingv1.NetworkPolicyPort, p Packet) bool {
	if len(ports) == 0 {
		return true
	}
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		if strings.ToLower(string(protocol)) != p.Protocol {
			continue
		}
		switch {
		case port.Port == nil:
			return true
		case port.Port.Type == intstr.Int:
			last := port.Port.IntVal
			if port.EndPort != nil {
				last = *port.EndPort
			}
			if port.Port.IntVal <= int32(p.Port) && int32(p.Port) <= last {
				return true
			}
		default:
			if to := podAt(in, p.To); to != nil && slices.Contains(to.Ports, rules.Port{Name: port.Port.StrVal, Protocol: protocol, Number: p.Port}) {
				return true
			}
		}
	}
	return false
}
