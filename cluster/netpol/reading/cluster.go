package reading

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"slipway.dev/cluster/netpol/rules"
)

// Ports that policies and packets are about.
var Ports = []uint16{1, 53, 80, 81, 443, 8080, 8081, 9090, 65535}

var protocols = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}

// Pick one of them.
func Pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// Cluster is one with policies of every form, often such that they concern its pods,
// which have those addresses; each pod is on the node, or not, as local says.
func Cluster(r *rand.Rand, addrs []netip.Addr, local func() bool) rules.Input {
	in := rules.Input{Namespaces: map[string]labels.Set{}}
	for i := range 1 + r.IntN(3) {
		in.Namespaces[fmt.Sprint("ns", i)] = someLabels(r)
	}
	names := func() string { return fmt.Sprint("ns", r.IntN(len(in.Namespaces))) }
	for i, addr := range addrs {
		p := rules.Pod{Namespace: names(), Name: fmt.Sprint("pod", i), Labels: someLabels(r), Addr: addr, Local: local()}
		for range r.IntN(3) {
			p.Ports = append(p.Ports, rules.Port{Name: Pick(r, []string{"http", "dns"}), Protocol: Pick(r, protocols), Number: Pick(r, Ports)})
		}
		in.Pods = append(in.Pods, p)
	}
	for i := range r.IntN(6) {
		p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: names(), Name: fmt.Sprint("policy", i)}}
		p.Spec.PodSelector = *someSelector(r)
		p.Spec.PolicyTypes = Pick(r, [][]networkingv1.PolicyType{nil, {"Ingress"}, {"Egress"}, {"Ingress", "Egress"}})
		for range r.IntN(3) {
			p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: somePeers(r), Ports: portsOf(r)})
		}
		for range r.IntN(3) {
			p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: somePeers(r), Ports: portsOf(r)})
		}
		in.Policies = append(in.Policies, p)
	}
	return in
}

func someLabels(r *rand.Rand) labels.Set {
	l := labels.Set{}
	for _, key := range []string{"app", "tier"} {
		if r.IntN(3) > 0 {
			l[key] = Pick(r, []string{"a", "b"})
		}
	}
	return l
}

func someSelector(r *rand.Rand) *metav1.LabelSelector {
	switch r.IntN(4) {
	case 0:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: Pick(r, []string{"app", "tier"}), Operator: Pick(r, []metav1.LabelSelectorOperator{metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist}),
		}}}
	case 1:
		return &metav1.LabelSelector{}
	}
	return &metav1.LabelSelector{MatchLabels: someLabels(r)}
}

func somePeers(r *rand.Rand) (out []networkingv1.NetworkPolicyPeer) {
	for range r.IntN(4) {
		p := networkingv1.NetworkPolicyPeer{}
		switch r.IntN(4) {
		case 0:
			p.IPBlock = Pick(r, []*networkingv1.IPBlock{
				{CIDR: "0.0.0.0/0"}, {CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8"}}, {CIDR: "10.42.0.0/16", Except: []string{"10.42.0.0/29", "10.42.0.4/32", "10.42.1.0/24"}},
				{CIDR: "192.0.2.0/24", Except: []string{"192.0.2.128/25", "192.0.2.192/26"}}, {CIDR: "203.0.113.9/32"}, {CIDR: "10.42.1.0/24"}, {CIDR: "10.0.0.0/8"},
				{CIDR: "0.0.0.0/0", Except: []string{"0.0.0.0/0"}},
			})
		case 1:
			p.NamespaceSelector = someSelector(r)
		case 2:
			p.PodSelector, p.NamespaceSelector = someSelector(r), someSelector(r)
		default:
			p.PodSelector = someSelector(r)
		}
		out = append(out, p)
	}
	return out
}

func portsOf(r *rand.Rand) (out []networkingv1.NetworkPolicyPort) {
	for range r.IntN(4) {
		p := networkingv1.NetworkPolicyPort{}
		if r.IntN(3) > 0 {
			p.Protocol = ptr.To(Pick(r, protocols))
		}
		switch r.IntN(4) {
		case 0:
			p.Port = ptr.To(intstr.FromString(Pick(r, []string{"http", "dns"})))
		case 1:
			first := Pick(r, Ports)
			p.Port = ptr.To(intstr.FromInt32(int32(first)))
			p.EndPort = ptr.To(min(65535, int32(first)+int32(r.IntN(40))))
		case 2:
			p.Port = ptr.To(intstr.FromInt32(int32(Pick(r, Ports))))
		}
		out = append(out, p)
	}
	return out
}
