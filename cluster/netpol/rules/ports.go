package rules

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// port is what a rule says of ports for one protocol: numbers, or one name, or all.
type port struct {
	protocol string // empty: any protocol
	numbers  []Range
	name     string
}

var protocols = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}

// ports that are given, those with numbers joined; none given is everything.
func (c *compiler) ports(p *networkingv1.NetworkPolicy, given []networkingv1.NetworkPolicyPort) (out []port) {
	if len(given) == 0 {
		return []port{{}}
	}
	for _, protocol := range protocols {
		word := strings.ToLower(string(protocol))
		var numbers []Range
		var names []port
		all := false
		for _, g := range given {
			if of := g.Protocol; of == nil && protocol != corev1.ProtocolTCP || of != nil && *of != protocol {
				continue
			}
			switch {
			case g.Port == nil:
				all = true
			case g.Port.Type == intstr.String:
				names = append(names, port{protocol: word, name: g.Port.StrVal})
			default:
				last := g.Port.IntVal
				if g.EndPort != nil {
					last = *g.EndPort
				}
				if g.Port.IntVal < 1 || last > 65535 || last < g.Port.IntVal {
					c.problem(p, "ports %d to %d are none", g.Port.IntVal, last)
					continue
				}
				numbers = append(numbers, Range{uint16(g.Port.IntVal), uint16(last)})
			}
		}
		if all {
			out = append(out, port{protocol: word})
			continue
		}
		if len(numbers) > 0 {
			out = append(out, port{protocol: word, numbers: merge(numbers)})
		}
		out = append(out, names...)
	}
	for _, g := range given {
		if g.Protocol != nil && *g.Protocol != corev1.ProtocolTCP && *g.Protocol != corev1.ProtocolUDP && *g.Protocol != corev1.ProtocolSCTP {
			c.problem(p, "protocol %s is not TCP, UDP or SCTP", *g.Protocol)
		}
	}
	return out
}

// named names the set of the pods of another with the number that each has for the port.
func (c *compiler) named(of string, p port) string {
	name := "n-" + digest(of+" "+p.protocol+" "+p.name)
	if _, known := c.members[name]; known {
		return name
	}
	found := []*Pod{}
	for _, pod := range c.members[of] {
		for _, has := range pod.Ports {
			if has.Name == p.name && strings.EqualFold(string(has.Protocol), p.protocol) {
				// With that port only, which is what use makes of it.
				found = append(found, &Pod{Addr: pod.Addr, Ports: []Port{has}})
			}
		}
	}
	c.members[name] = found
	return name
}

// use makes the sets that a rule names part of the table.
func (c *compiler) use(r Rule) {
	if r.Peers != "" && c.table.Sets[r.Peers] == nil {
		s := Set{}
		for _, pod := range c.members[r.Peers] {
			s[Element{Addr: pod.Addr}] = struct{}{}
		}
		c.table.Sets[r.Peers] = s
	}
	if r.Named != "" && c.table.Sets[r.Named] == nil {
		s := Set{}
		for _, pod := range c.members[r.Named] {
			s[Element{Addr: pod.Addr, Port: pod.Ports[0].Number}] = struct{}{}
		}
		c.table.Sets[r.Named] = s
	}
}
