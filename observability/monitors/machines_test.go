package monitors

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/cache"
)

func stored(t *testing.T, transform cache.TransformFunc, all ...any) cache.Store {
	t.Helper()
	s := cache.NewStore(cache.MetaNamespaceKeyFunc)
	for _, o := range all {
		b, err := json.Marshal(o)
		var u any = &unstructured.Unstructured{}
		if err == nil {
			err = json.Unmarshal(b, &u.(*unstructured.Unstructured).Object)
		}
		if err == nil {
			u, err = transform(u)
		}
		if err == nil {
			err = s.Add(u)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestMachinesOfTheWholeCluster: other nodes have addresses that nothing of this one tells.
func TestMachinesOfTheWholeCluster(t *testing.T) {
	node := func(name, address string, pods ...string) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDR: pods[0], PodCIDRs: pods}, Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}, {Type: corev1.NodeHostName, Address: name}},
			Images:    []corev1.ContainerImage{{Names: []string{strings.Repeat("x", 100)}}},
		}}
	}
	w := &Watcher{
		nodes: stored(t, addressed, node("a", "192.0.2.1", "10.42.0.0/24"), node("b", "192.0.2.2", "10.42.1.0/24", "fd00:1::/64"), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "new"}}),
		servers: stored(t, stripped, &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"}}, {Addresses: []string{"192.0.2.9"}}}}),
	}
	want := "[10.42.0.0 10.42.0.1 10.42.1.0 10.42.1.1 192.0.2.1 192.0.2.2 192.0.2.9 fd00:1:: fd00:1::1]"
	if got := fmt.Sprint(w.machines()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, o := range w.nodes.List() {
		if b, err := json.Marshal(o); err != nil || strings.Contains(string(b), "xxx") {
			t.Errorf("%v; more is kept than is read: %.200s", err, b)
		}
	}
}
