package rules_test

import (
	"net/netip"
	"strings"
	"testing"

	"slipway.dev/cluster/netpol/reading"
	"slipway.dev/cluster/netpol/rules"
)

// meta is the head of a policy.
func meta(name string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " + name + ", namespace: default}\nspec:\n"
}

// TestRecipes are the policies that people copy, and what each lets through. A word is
// from>to:port, or from>to:port/udp; names without a namespace are of default; an address
// is outside of the cluster.
func TestRecipes(t *testing.T) {
	const dns = "other>kube-system/dns:53/udp"
	for name, c := range map[string]struct {
		policies     string
		passes, ends string
	}{
		"none": {"", "other>web:80 prod/web>web:80 web>203.0.113.9:443 203.0.113.9>web:80 web>other:1/icmp " + dns, ""},
		"deny all traffic to an application": {
			meta("web-deny-all") + `
  podSelector: {matchLabels: {app: web}}
  ingress: []
`, "web>other:80 other>db:1 web>203.0.113.9:80 prod/monitor>prod/web:80 web>web:80", "other>web:80 web2>web:80 prod/monitor>web:80 203.0.113.9>web:80 other>web:53/udp other>web:0/icmp"},
		"limit traffic to an application": {
			meta("api-allow") + `
  podSelector: {matchLabels: {app: bookstore, role: api}}
  ingress: [{from: [{podSelector: {matchLabels: {app: bookstore}}}]}]
`, "db>api:80 db>api:0/icmp api>other:80 other>db:80", "other>api:80 prod/web>api:80 203.0.113.9>api:80"},
		"allow all traffic to an application": {
			meta("web-deny-all") + `
  podSelector: {matchLabels: {app: web}}
  ingress: []
---
` + meta("web-allow-all") + `
  podSelector: {matchLabels: {app: web}}
  ingress: [{}]
`, "other>web:80 prod/web>web:80 203.0.113.9>web:80 other>web:9/udp", ""},
		"deny all non-whitelisted traffic to a namespace": {
			meta("default-deny-all") + `
  podSelector: {}
  ingress: []
`, "web>prod/web:80 " + dns + " prod/web>prod/monitor:80", "other>web:80 prod/web>db:80 203.0.113.9>api:80"},
		"deny all traffic from other namespaces": {
			meta("deny-from-other-namespaces") + `
  podSelector: {matchLabels: {}}
  ingress: [{from: [{podSelector: {}}]}]
`, "other>web:80 web>prod/web:80", "prod/web>web:80 kube-system/dns>web:80 203.0.113.9>web:80"},
		"allow traffic from all namespaces": {
			meta("web-allow-all-namespaces") + `
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{namespaceSelector: {}}]}]
`, "other>web:80 prod/web>web:80 kube-system/dns>web:80", "203.0.113.9>web:80"},
		"allow all traffic from a namespace": {
			meta("web-allow-prod") + `
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{namespaceSelector: {matchLabels: {purpose: production}}}]}]
`, "prod/web>web:80 prod/monitor>web2:1", "other>web:80 web2>web:80 kube-system/dns>web:80 203.0.113.9>web:80"},
		"allow traffic from some pods in another namespace": {
			meta("web-allow-all-ns-monitoring") + `
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {purpose: production}}
      podSelector: {matchLabels: {type: monitoring}}
`, "prod/monitor>web:80", "prod/web>web:80 other>web:80"},
		"a namespace or pods": {
			meta("either") + `
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {purpose: production}}
    - podSelector: {matchLabels: {app: other}}
`, "prod/web>web:80 prod/monitor>web:80 other>web:80", "db>web:80 kube-system/dns>web:80"},
		"allow traffic from external clients": {
			meta("web-allow-external") + `
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: []}]
`, "203.0.113.9>web:80 other>web:80", ""},
		"allow traffic only to a port of an application": {
			meta("api-allow-5000") + `
  podSelector: {matchLabels: {app: bookstore, role: api}}
  ingress:
  - ports: [{port: 5000}]
    from: [{podSelector: {matchLabels: {role: db}}}]
`, "db>api:5000", "db>api:8000 db>api:5000/udp db>api:5000/icmp other>api:5000"},
		"a port by its name": {
			meta("web-http") + `
  podSelector: {matchLabels: {app: web}}
  ingress: [{ports: [{port: http}, {port: metrics}]}]
`, "other>web:8080 other>web:9100 other>web2:9090 203.0.113.9>web2:9090", "other>web:9090 other>web2:8080 other>web2:9100 other>web:8080/udp"},
		"allow traffic using multiple selectors": {
			meta("redis-allow-services") + `
  podSelector: {matchLabels: {app: bookstore, role: db}}
  ingress:
  - from:
    - podSelector: {matchLabels: {app: bookstore, role: api}}
    - podSelector: {matchLabels: {app: web}}
`, "api>db:6379 web>db:6379 web2>db:6379", "other>db:6379 prod/web>db:6379"},
		"deny egress traffic from an application": {
			meta("foo-deny-egress") + `
  podSelector: {matchLabels: {app: other}}
  policyTypes: [Egress]
  egress: []
`, "web>other:80 203.0.113.9>other:80", "other>web:80 other>203.0.113.9:80 " + dns},
		"deny egress but DNS": {
			meta("foo-deny-egress") + `
  podSelector: {matchLabels: {app: other}}
  policyTypes: [Egress]
  egress: [{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]
`, dns + " other>kube-system/dns:53 other>203.0.113.9:53", "other>web:80 other>203.0.113.9:443"},
		"deny all non-whitelisted traffic from a namespace": {
			meta("default-deny-all-egress") + `
  policyTypes: [Egress]
  podSelector: {}
  egress: []
`, "prod/web>web:80 203.0.113.9>web:80", "web>other:80 web>prod/web:80 web>203.0.113.9:80 " + dns},
		"deny external egress traffic": {
			meta("foo-deny-external-egress") + `
  podSelector: {matchLabels: {app: other}}
  policyTypes: [Egress]
  egress:
  - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    to: [{namespaceSelector: {}}]
`, dns, "other>203.0.113.9:53/udp other>203.0.113.9:443 other>web:80"},
		"ranges with exceptions": {
			meta("ranges") + `
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.16/28, 198.51.100.20/32]}}, {ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: 203.0.113.8/30}}]}]
  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16]}}]}]
`, "198.51.100.7>web:80 203.0.113.9>web:80 web>203.0.113.9:443", "198.51.100.17>web:80 198.51.100.20>web:80 192.0.2.1>web:80 other>web:80 web>other:80 web>192.168.7.7:80"},
		"a range of ports": {
			meta("end-port") + `
  podSelector: {matchLabels: {app: other}}
  policyTypes: [Egress]
  egress: [{ports: [{protocol: TCP, port: 32000, endPort: 32768}, {port: 32768, endPort: 33000}, {port: 7, protocol: SCTP}]}]
`, "other>web:32000 other>203.0.113.9:32768 other>web:33000 other>web:7/sctp", "other>web:31999 other>web:33001 other>web:32100/udp other>web:7"},
		"a protocol with all its ports": {
			meta("udp") + `
  podSelector: {matchLabels: {app: other}}
  ingress: [{ports: [{protocol: UDP}]}]
`, "web>other:1/udp web>other:65535/udp", "web>other:1 web>other:1/icmp"},
		"egress to a port by its name": {
			meta("names") + `
  podSelector: {matchLabels: {app: other}}
  policyTypes: [Egress]
  egress:
  - {ports: [{port: http}], to: [{podSelector: {matchLabels: {app: web}}}]}
  - {ports: [{port: dns, protocol: UDP}]}
`, "other>web:8080 other>web2:9090 " + dns, "other>web:9090 other>api:8080 other>203.0.113.9:53/udp other>prod/web:8080"},
		"allowed by one and not by another": {
			meta("a") + `
  podSelector: {}
  policyTypes: [Ingress, Egress]
---
` + meta("b") + `
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: other}}}]}]
---
` + meta("c") + `
  podSelector: {matchLabels: {app: other}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: web}}}]}]
`, "other>web:80 web>web:1", "web>other:80 db>web:80 other>db:80"},
		"expressions": {
			meta("not-in") + `
  podSelector: {matchExpressions: [{key: role, operator: DoesNotExist}]}
  ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [prod]}]}}]}]
`, "other>web:80 prod/web>db:80 kube-system/dns>web:80", "prod/web>web:80 203.0.113.9>other:80"},
	} {
		t.Run(name, func(t *testing.T) {
			in := world()
			in.Policies = policies(t, c.policies)
			table, problems := rules.Compile(in)
			if len(problems) > 0 {
				t.Errorf("problems: %v", problems)
			}
			if c.policies == "" && len(table.Sets)+len(table.Chains)+len(table.In)+len(table.Out) > 0 {
				t.Errorf("without a policy there is %v", table)
			}
			for words, want := range map[string]bool{c.passes: true, c.ends: false} {
				for _, word := range strings.Fields(words) {
					p := parse(t, in, word)
					if got := lets(table, p); got != want {
						t.Errorf("%s: passes %t, want %t", word, got, want)
					}
					if got := reading.Lets(in, p); got != want {
						t.Errorf("%s: the naive reading passes %t, want %t", word, got, want)
					}
				}
			}
		})
	}
}

func parse(t *testing.T, in rules.Input, word string) reading.Packet {
	t.Helper()
	from, rest, ok := strings.Cut(word, ">")
	to, port, ok2 := strings.Cut(rest, ":")
	number, protocol, _ := strings.Cut(port, "/")
	if protocol == "" {
		protocol = "tcp"
	}
	n := 0
	for _, r := range number {
		n = n*10 + int(r-'0')
	}
	address := func(name string) netip.Addr {
		if a, err := netip.ParseAddr(name); err == nil {
			return a
		}
		ns, pod, found := strings.Cut(name, "/")
		if !found {
			ns, pod = "default", name
		}
		for _, p := range in.Pods {
			if p.Namespace == ns && p.Name == pod {
				return p.Addr
			}
		}
		t.Fatalf("%s: no pod %s", word, name)
		return netip.Addr{}
	}
	if !ok || !ok2 {
		t.Fatal(word)
	}
	return reading.Packet{From: address(from), To: address(to), Protocol: protocol, Port: uint16(n)}
}

func TestProblems(t *testing.T) {
	for text, want := range map[string]string{
		"  podSelector: {}\n  ingress: [{from: [{ipBlock: {cidr: '2001:db8::/32'}}]}]\n":                  "IPv4 addresses only",
		"  podSelector: {}\n  egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: http}]}]\n": "give the number",
		"  podSelector: {}\n  ingress: [{from: [{ipBlock: {cidr: 192.0.2.0}}]}]\n":                        "not a range",
		"  podSelector: {}\n  ingress: [{ports: [{port: 80, protocol: DCCP}]}]\n":                         "not TCP, UDP or SCTP",
		"  podSelector: {}\n  ingress: [{ports: [{port: 80, endPort: 70}]}]\n":                            "are none",
		"  podSelector: {matchExpressions: [{key: a, operator: Near}]}\n  ingress: []\n":                  "podSelector",
	} {
		in := world()
		in.Policies = policies(t, meta("x")+text)
		table, problems := rules.Compile(in)
		if len(problems) != 1 || !strings.Contains(problems[0].Message, want) {
			t.Errorf("%s: problems %v, want %q", text, problems, want)
		}
		// What is not understood lets nobody through.
		p := parse(t, in, "192.0.2.7>web:80")
		if strings.Contains(text, "egress") {
			p = parse(t, in, "web>192.0.2.7:80")
		}
		if want != "podSelector" && lets(table, p) {
			t.Errorf("%s: lets %v through", text, p)
		}
	}
}

// TestElements: a pod of the same kind that comes is an element and no rule, and pods
// that are alike share a chain.
func TestElements(t *testing.T) {
	in := world()
	in.Policies = policies(t, meta("x")+"  podSelector: {matchLabels: {app: web}}\n  ingress: [{from: [{podSelector: {}}], ports: [{port: http}]}]\n")
	before, _ := rules.Compile(in)
	if len(before.Chains) != 1 || len(before.In) != 2 || len(before.Out) != 0 || len(before.Sets) != 2 {
		t.Fatal(before)
	}
	in.Pods = append(in.Pods, rules.Pod{Namespace: "default", Name: "web3", Labels: in.Pods[0].Labels, Ports: in.Pods[0].Ports, Addr: netip.MustParseAddr("10.42.0.77"), Local: true},
		rules.Pod{Namespace: "default", Name: "web4", Labels: in.Pods[0].Labels, Addr: netip.MustParseAddr("10.42.1.2")}) // of another node
	after, _ := rules.Compile(in)
	if !before.SameShape(after) {
		t.Errorf("%v\n%v", before, after)
	}
	if len(after.In) != 3 || after.Limited(netip.MustParseAddr("10.42.1.2")) {
		t.Error(after.In)
	}
	in.Policies[0].Spec.Ingress[0].Ports[0].Port.StrVal = "metrics"
	if other, _ := rules.Compile(in); other.SameShape(after) {
		t.Error("another port has the same shape")
	}
}

func TestText(t *testing.T) {
	prefix := netip.MustParsePrefix
	for want, c := range map[string]struct {
		d rules.Direction
		r rules.Rule
	}{
		"":                                      {rules.In, rules.Rule{}},
		"ip saddr @p-1 tcp dport { 80, 90-99 }": {rules.In, rules.Rule{Peers: "p-1", Protocol: "tcp", Ports: []rules.Range{{First: 80, Last: 80}, {First: 90, Last: 99}}}},
		"ip daddr @p-1":                         {rules.Out, rules.Rule{Peers: "p-1"}},
		"ip saddr { 10.0.0.0/8, 192.0.2.0/24 } meta l4proto udp": {rules.In, rules.Rule{Within: []netip.Prefix{prefix("10.0.0.0/8"), prefix("192.0.2.0/24")}, Protocol: "udp"}},
		"ip daddr != { 10.0.0.0/8 }":                             {rules.Out, rules.Rule{Within: []netip.Prefix{prefix("0.0.0.0/0")}, Except: []netip.Prefix{prefix("10.0.0.0/8")}}},
		"ip saddr @p-1 ip daddr . tcp dport @n-2":                {rules.In, rules.Rule{Peers: "p-1", Named: "n-2", Protocol: "tcp"}},
	} {
		if got := c.r.Text(c.d); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
