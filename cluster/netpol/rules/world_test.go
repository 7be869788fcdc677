package rules_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/netpol/reading"
	"slipway.dev/cluster/netpol/rules"
)

// policies reads documents of YAML.
func policies(t testing.TB, text string) (out []*networkingv1.NetworkPolicy) {
	t.Helper()
	for _, doc := range strings.Split(text, "\n---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		p := &networkingv1.NetworkPolicy{}
		if err := yaml.UnmarshalStrict([]byte(doc), p); err != nil {
			t.Fatalf("%v:\n%s", err, doc)
		}
		out = append(out, p)
	}
	return out
}

// world is a cluster of one node: three namespaces, with pods that are named after what
// they are.
func world() rules.Input {
	pod := func(ns, name, addr string, l labels.Set, ports ...rules.Port) rules.Pod {
		return rules.Pod{Namespace: ns, Name: name, Labels: l, Addr: netip.MustParseAddr(addr), Ports: ports, Local: true}
	}
	http := rules.Port{Name: "http", Protocol: corev1.ProtocolTCP, Number: 8080}
	return rules.Input{
		Namespaces: map[string]labels.Set{
			"default":     {"kubernetes.io/metadata.name": "default"},
			"prod":        {"kubernetes.io/metadata.name": "prod", "purpose": "production"},
			"kube-system": {"kubernetes.io/metadata.name": "kube-system"},
		},
		Pods: []rules.Pod{
			pod("default", "web", "10.42.0.2", labels.Set{"app": "web"}, http, rules.Port{Name: "metrics", Protocol: corev1.ProtocolTCP, Number: 9100}),
			pod("default", "web2", "10.42.0.3", labels.Set{"app": "web"}, rules.Port{Name: "http", Protocol: corev1.ProtocolTCP, Number: 9090}),
			pod("default", "api", "10.42.0.4", labels.Set{"app": "bookstore", "role": "api"}, http),
			pod("default", "db", "10.42.0.5", labels.Set{"app": "bookstore", "role": "db"}),
			pod("default", "other", "10.42.0.6", labels.Set{"app": "other"}),
			pod("prod", "monitor", "10.42.0.7", labels.Set{"type": "monitoring"}),
			pod("prod", "web", "10.42.0.8", labels.Set{"app": "web"}, http),
			pod("kube-system", "dns", "10.42.0.9", labels.Set{"k8s-app": "kube-dns"}, rules.Port{Name: "dns", Protocol: corev1.ProtocolUDP, Number: 53}, rules.Port{Name: "dns-tcp", Protocol: corev1.ProtocolTCP, Number: 53}),
		},
	}
}

// lets is what the kernel makes of a table: the chains of cluster/netpol in Go.
func lets(t rules.Table, p reading.Packet) bool {
	if p.From == p.To && t.Limited(p.From) {
		return true
	}
	passes := func(chain string, peer netip.Addr) bool {
		return chain == "" || slices.ContainsFunc(t.Chains[chain], func(r rules.Rule) bool { return matches(t, r, peer, p) })
	}
	return passes(t.Out[p.From], p.To) && passes(t.In[p.To], p.From)
}

func matches(t rules.Table, r rules.Rule, peer netip.Addr, p reading.Packet) bool {
	in := func(ranges []netip.Prefix) bool {
		return slices.ContainsFunc(ranges, func(x netip.Prefix) bool { return x.Contains(peer) })
	}
	if _, ok := t.Sets[r.Peers][rules.Element{Addr: peer}]; r.Peers != "" && !ok {
		return false
	}
	if len(r.Within) > 0 && !in(r.Within) || in(r.Except) {
		return false
	}
	if r.Protocol == "" {
		return true
	}
	if r.Protocol != p.Protocol {
		return false
	}
	if r.Named != "" {
		_, ok := t.Sets[r.Named][rules.Element{Addr: p.To, Port: p.Port}]
		return ok
	}
	return len(r.Ports) == 0 || slices.ContainsFunc(r.Ports, func(x rules.Range) bool { return x.First <= p.Port && p.Port <= x.Last })
}
