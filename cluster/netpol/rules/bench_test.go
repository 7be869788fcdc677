package rules_test

import (
	"fmt"
	"net/netip"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"slipway.dev/cluster/netpol/rules"
)

// BenchmarkCompile is what a pod that comes or goes costs in a cluster of 50 walled
// namespaces with 20 pods each.
func BenchmarkCompile(b *testing.B) {
	in := rules.Input{Namespaces: map[string]labels.Set{}}
	for n := range 50 {
		ns := fmt.Sprint("ns", n)
		in.Namespaces[ns] = labels.Set{"kubernetes.io/metadata.name": ns}
		for p := range 20 {
			in.Pods = append(in.Pods, rules.Pod{Namespace: ns, Name: fmt.Sprint(p), Labels: labels.Set{"app": fmt.Sprint(p % 4)}, Addr: netip.AddrFrom4([4]byte{10, 42, byte(n), byte(2 + p)}), Local: true})
		}
		same := []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
		in.Policies = append(in.Policies, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "walled"}, Spec: networkingv1.NetworkPolicySpec{
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: same}}, Egress: []networkingv1.NetworkPolicyEgressRule{{To: same}},
		}}, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "1"}},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}}},
		}})
	}
	for b.Loop() {
		if t, _ := rules.Compile(in); len(t.In) != 1000 {
			b.Fatal(len(t.In))
		}
	}
}
