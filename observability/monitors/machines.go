package monitors

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
)

// What has addresses of machines: nodes, and what is behind the API server's service.
var (
	nodesOf   = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	serversOf = schema.GroupVersionResource{Group: discoveryv1.GroupName, Version: "v1", Resource: "endpointslices"}
)

// machines are the addresses that no target of a namespace may have: those of all nodes,
// also where pods see them, and those of all API servers.
func (w *Watcher) machines() []netip.Addr {
	var all []netip.Addr
	add := func(text string) {
		if at, err := netip.ParseAddr(text); err == nil {
			all = append(all, at.Unmap().WithZone(""))
		}
	}
	each(w.nodes, func(n *corev1.Node) {
		for _, a := range n.Status.Addresses {
			add(a.Address)
		}
		for _, text := range append([]string{n.Spec.PodCIDR}, n.Spec.PodCIDRs...) {
			if pods, err := netip.ParsePrefix(text); err == nil {
				// A bridge has the first address of the range, a tunnel's end the one before.
				tunnel := pods.Masked().Addr().Unmap()
				all = append(all, tunnel, tunnel.Next())
			}
		}
	})
	each(w.servers, func(e *discoveryv1.EndpointSlice) {
		for _, p := range e.Endpoints {
			for _, text := range p.Addresses {
				add(text)
			}
		}
	})
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// each reads a store of objects.
func each[T any](from cache.Store, f func(*T)) {
	for _, o := range from.List() {
		u, ok := o.(*unstructured.Unstructured)
		v := new(T)
		if ok && runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, v) == nil {
			f(v)
		}
	}
}

// addressed leaves of a node what machines reads: the rest of its status changes often, and
// is large.
func addressed(o any) (any, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o, nil
	}
	kept := map[string]any{}
	for _, path := range [][]string{{"apiVersion"}, {"kind"}, {"metadata", "name"}, {"metadata", "uid"}, {"metadata", "resourceVersion"},
		{"spec", "podCIDR"}, {"spec", "podCIDRs"}, {"status", "addresses"}} {
		if v, found, err := unstructured.NestedFieldNoCopy(u.Object, path...); err == nil && found {
			if err := unstructured.SetNestedField(kept, runtime.DeepCopyJSONValue(v), path...); err != nil {
				return nil, err
			}
		}
	}
	return &unstructured.Unstructured{Object: kept}, nil
}
