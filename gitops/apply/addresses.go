package apply

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
)

// maxAddresses of one application are shown.
const maxAddresses = 20

// Exposed says whether a set asks to be reached from outside. That others may have asked
// for it, on what the set leaves open, is no part of it.
func Exposed(objects []*unstructured.Unstructured) bool {
	return slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool {
		switch gvk := o.GroupVersionKind(); {
		case gvk.Kind == "Ingress" && gvk.Group == networking:
			return true
		case gvk.Kind == "Service" && gvk.Group == "":
			kind, _, _ := unstructured.NestedString(o.Object, "spec", "type")
			return kind == string(corev1.ServiceTypeNodePort) || kind == string(corev1.ServiceTypeLoadBalancer)
		}
		return false
	})
}

// Addresses at which objects of the inventory answer: the hosts of an Ingress that a
// controller took, then load balancers, then ports of a node.
func (a *Applier) Addresses(ctx context.Context, t Target, refs []v1alpha1.ObjectReference) ([]string, error) {
	p, err := a.place(ctx, t)
	if err != nil {
		return nil, err
	}
	var hosts, balanced []string
	var ports []int32
	for _, ref := range refs {
		ingress := ref.Kind == "Ingress" && ref.Group == networking
		if !ingress && (ref.Kind != "Service" || ref.Group != "") {
			continue
		}
		live, err := find(ctx, p.reader, ref)
		if err != nil {
			return nil, err
		}
		if live == nil {
			continue
		}
		if ingress {
			hosts = append(hosts, hostsOf(live)...)
			continue
		}
		to, at := servedBy(live)
		balanced, ports = append(balanced, to...), append(ports, at...)
	}
	all := append(hosts, balanced...)
	if len(ports) > 0 {
		node, err := nodeAddress(ctx, p.reader)
		if err != nil {
			return nil, err
		}
		for _, port := range ports {
			if node != "" {
				all = append(all, address("http", node, port))
			}
		}
	}
	return all[:min(len(all), maxAddresses)], nil
}

// hostsOf an Ingress, by https where it has a certificate for them. One that no controller
// took answers nowhere.
func hostsOf(live *unstructured.Unstructured) (out []string) {
	in := &networkingv1.Ingress{}
	if runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, in) != nil || len(in.Status.LoadBalancer.Ingress) == 0 {
		return nil
	}
	secure := func(host string) bool {
		return slices.ContainsFunc(in.Spec.TLS, func(t networkingv1.IngressTLS) bool {
			return len(t.Hosts) == 0 || slices.Contains(t.Hosts, host)
		})
	}
	to := in.Status.LoadBalancer.Ingress[0]
	for _, rule := range in.Spec.Rules {
		host := cmp.Or(rule.Host, to.Hostname, to.IP)
		if host == "" || strings.Contains(host, "*") {
			continue
		}
		u := url.URL{Scheme: "http", Host: bracketed(host)}
		if secure(rule.Host) {
			u.Scheme = "https"
		}
		if rule.HTTP != nil && len(rule.HTTP.Paths) > 0 {
			u.Path = shortest(rule.HTTP.Paths)
		}
		if text := u.String(); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// shortest path of a rule, where its pages most likely begin; none if that is all of the
// host, or an expression.
func shortest(paths []networkingv1.HTTPIngressPath) string {
	first := slices.MinFunc(paths, func(a, b networkingv1.HTTPIngressPath) int { return cmp.Compare(len(a.Path), len(b.Path)) })
	if first.Path == "/" || first.PathType != nil && *first.PathType == networkingv1.PathTypeImplementationSpecific {
		return ""
	}
	return first.Path
}

// servedBy says which load balancer a Service has, or else which ports of all nodes.
func servedBy(live *unstructured.Unstructured) (balanced []string, ports []int32) {
	service := &corev1.Service{}
	if runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, service) != nil {
		return nil, nil
	}
	to := ""
	if in := service.Status.LoadBalancer.Ingress; len(in) > 0 {
		to = cmp.Or(in[0].Hostname, in[0].IP)
	}
	for _, port := range service.Spec.Ports {
		switch {
		case port.Protocol != corev1.ProtocolTCP && port.Protocol != "":
		case to != "" && (port.Port == 443 || port.Name == "https"):
			balanced = append(balanced, address("https", to, port.Port))
		case to != "":
			balanced = append(balanced, address("http", to, port.Port))
		case port.NodePort > 0:
			ports = append(ports, port.NodePort)
		}
	}
	return balanced, ports
}

func address(scheme, host string, port int32) string {
	if scheme == "http" && port == 80 || scheme == "https" && port == 443 {
		return scheme + "://" + bracketed(host)
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// bracketed host of a URL: an IPv6 address stands in brackets there.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// nodeAddress is that of the first node; empty where nodes may not be seen, as with
// credentials of a cluster elsewhere for one namespace only.
func nodeAddress(ctx context.Context, r client.Reader) (string, error) {
	nodes := &corev1.NodeList{}
	if err := r.List(ctx, nodes); err != nil {
		if apierrors.IsForbidden(err) {
			return "", nil
		}
		return "", fmt.Errorf("nodes: %w", err)
	}
	slices.SortFunc(nodes.Items, func(a, b corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	for _, n := range nodes.Items {
		for _, at := range n.Status.Addresses {
			if at.Type == corev1.NodeInternalIP {
				return at.Address, nil
			}
		}
	}
	return "", nil
}
