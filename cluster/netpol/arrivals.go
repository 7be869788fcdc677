package netpol

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"slipway.dev/cluster/netpol/arrival"
	"slipway.dev/cluster/netpol/rules"
)

// arrivals are the pods of this node whose address the CNI plugin told of, until their
// status says it: the kubelet writes that only when the containers run.
type arrivals struct {
	mu   sync.Mutex
	pods map[types.NamespacedName]*arrived
}

type arrived struct {
	arrival.Pod
	done chan struct{} // closed when the plugin may go on
	held bool
}

// add registers a pod. One that was there under the name is over.
func (a *arrivals) add(p arrival.Pod) *arrived {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pods == nil {
		a.pods = map[types.NamespacedName]*arrived{}
	}
	x := &arrived{Pod: p, done: make(chan struct{})}
	for key, y := range a.pods {
		if y.Addr == p.Addr { // it ended before its status had it
			delete(a.pods, key)
		}
	}
	a.pods[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = x
	return x
}

// wait returns nil when the pod's policies hold.
func (a *arrivals) wait(ctx context.Context, x *arrived) error {
	select {
	case <-x.done:
		return nil
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if x.held {
		return nil
	}
	// The plugin fails, and with it goes the address.
	if key := (types.NamespacedName{Namespace: x.Namespace, Name: x.Name}); a.pods[key] == x {
		delete(a.pods, key)
	}
	return fmt.Errorf("the network policies of pod %s/%s are not in force yet; see `slipway status` and the server's log", x.Namespace, x.Name)
}

func (x *arrived) hold() {
	if !x.held {
		x.held = true
		close(x.done)
	}
}

// clear lets all go on.
func (a *arrivals) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.pods {
		x.hold()
	}
	a.pods = nil
}

// settle lets those go on who are in what was compiled and are safe by it: it is in the
// kernel, or no policy limits them anyway.
func (a *arrivals) settle(in rules.Input, t rules.Table, applied bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range in.Pods {
		x := a.pods[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}]
		if x != nil && x.Addr == p.Addr && (applied || !t.Limited(p.Addr)) {
			x.hold()
		}
	}
}

// place says which pod has which address. Whoever told of an address last has it: the
// status of a pod that ends may still name it.
func (a *arrivals) place(node string, pods []*corev1.Pod) (out []rules.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := map[netip.Addr]bool{}
	told := map[types.NamespacedName]bool{}
	kept := map[types.NamespacedName]bool{}
	add := func(p *corev1.Pod, addr netip.Addr) {
		taken[addr] = true
		out = append(out, describe(p, addr, p.Spec.NodeName == node))
	}
	for _, p := range pods {
		key := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
		x := a.pods[key]
		if x == nil || !is(p, x.UID) {
			continue
		}
		if addr, ok := addressOf(p); ok && addr == x.Addr && x.held {
			continue // the status has it
		}
		kept[key], told[key] = true, true
		add(p, x.Addr)
	}
	for key, x := range a.pods {
		if x.held && !kept[key] {
			delete(a.pods, key) // the status has it, or the pod is gone
		}
	}
	for _, p := range pods {
		addr, ok := addressOf(p)
		if !ok || p.Spec.HostNetwork || taken[addr] || told[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] {
			continue
		}
		add(p, addr)
	}
	return out
}

// is says whether the node's UID is that pod's; that of a static pod is a digest.
func is(p *corev1.Pod, uid string) bool {
	return uid == "" || string(p.UID) == uid || p.Annotations[mirrorOf] == uid
}

func describe(p *corev1.Pod, addr netip.Addr, local bool) rules.Pod {
	out := rules.Pod{Namespace: p.Namespace, Name: p.Name, Labels: labels.Set(p.Labels), Addr: addr, Local: local}
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			protocol := port.Protocol
			if protocol == "" {
				protocol = corev1.ProtocolTCP
			}
			out.Ports = append(out.Ports, rules.Port{Name: port.Name, Protocol: protocol, Number: uint16(port.ContainerPort)})
		}
	}
	return out
}
