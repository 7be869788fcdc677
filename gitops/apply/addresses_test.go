package apply

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"slipway.dev/cluster/api/v1alpha1"
)

func TestAddresses(t *testing.T) {
	const taken = "status: {loadBalancer: {ingress: [{ip: 192.0.2.7}]}}"
	for name, c := range map[string]struct {
		objects []string
		want    []string
	}{
		"node port":              {[]string{"Service web\nspec: {type: NodePort, ports: [{port: 80, nodePort: 30080}, {port: 53, nodePort: 30053, protocol: UDP}]}"}, []string{"http://10.41.0.1:30080"}},
		"cluster only":           {[]string{"Service web\nspec: {ports: [{port: 80}]}"}, nil},
		"load balancer":          {[]string{"Service web\nspec: {type: LoadBalancer, ports: [{port: 80, nodePort: 30080}, {port: 443, nodePort: 30443}, {port: 8080, nodePort: 30808}]}\n" + taken}, []string{"http://192.0.2.7", "https://192.0.2.7", "http://192.0.2.7:8080"}},
		"load balancer, pending": {[]string{"Service web\nspec: {type: LoadBalancer, ports: [{port: 80, nodePort: 30080}]}"}, []string{"http://10.41.0.1:30080"}},
		"ingress": {[]string{
			"Service web\nspec: {type: NodePort, ports: [{port: 80, nodePort: 30080}]}",
			"Ingress web\nspec: {tls: [{hosts: [shop.example.org]}], rules: [{host: shop.example.org}, {host: old.example.org, http: {paths: [{path: /shop/admin, pathType: Prefix}, {path: /shop, pathType: Prefix}]}}, {host: '*.example.org'}]}\n" + taken,
		}, []string{"https://shop.example.org", "http://old.example.org/shop", "http://10.41.0.1:30080"}},
		"ingress without a host":       {[]string{"Ingress web\nspec: {rules: [{http: {paths: [{path: /, pathType: Prefix}]}}]}\nstatus: {loadBalancer: {ingress: [{ip: '2001:db8::7'}]}}"}, []string{"http://[2001:db8::7]"}},
		"ingress that nobody took":     {[]string{"Ingress web\nspec: {rules: [{host: shop.example.org}]}"}, nil},
		"ingress by expressions":       {[]string{"Ingress web\nspec: {rules: [{host: shop.example.org, http: {paths: [{path: '/(a|b)', pathType: ImplementationSpecific}]}}]}\n" + taken}, []string{"http://shop.example.org"}},
		"ingress with odd characters":  {[]string{"Ingress web\nspec: {rules: [{host: shop.example.org, http: {paths: [{path: '/a b<script>', pathType: Prefix}]}}]}\n" + taken}, []string{"http://shop.example.org/a%20b%3Cscript%3E"}},
		"the same host in every rule":  {[]string{"Ingress web\nspec: {rules: [{host: a.example.org}, {host: a.example.org}]}\n" + taken}, []string{"http://a.example.org"}},
		"an object that was not found": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.41.0.1"}}}}}
			refs := []v1alpha1.ObjectReference{{Version: "v1", Kind: "Service", Namespace: "shop", Name: "gone"}}
			exposed := false
			for _, text := range c.objects {
				head, body, _ := strings.Cut(text, "\n")
				kind, id, _ := strings.Cut(head, " ")
				meta := metav1.ObjectMeta{Namespace: "shop", Name: id}
				if kind == "Ingress" {
					o := &networkingv1.Ingress{}
					require.NoError(t, yaml.UnmarshalStrict([]byte(body), o))
					o.ObjectMeta = meta
					objects = append(objects, o)
					refs = append(refs, v1alpha1.ObjectReference{Group: networking, Version: "v1", Kind: kind, Namespace: "shop", Name: id})
				} else {
					o := &corev1.Service{}
					require.NoError(t, yaml.UnmarshalStrict([]byte(body), o))
					o.ObjectMeta = meta
					objects = append(objects, o)
					refs = append(refs, v1alpha1.ObjectReference{Version: "v1", Kind: kind, Namespace: "shop", Name: id})
				}
				u := &unstructured.Unstructured{}
				require.NoError(t, yaml.Unmarshal(fmt.Appendf(nil, "kind: %s\napiVersion: %s\n%s", kind, map[string]string{"Ingress": "networking.k8s.io/v1", "Service": "v1"}[kind], body), &u.Object))
				exposed = exposed || Exposed([]*unstructured.Unstructured{u})
			}
			a, _ := setup(t, objects...)
			got, err := a.Addresses(t.Context(), shop, refs)
			require.NoError(t, err)
			require.Equal(t, append([]string{}, c.want...), append([]string{}, got...))
			require.True(t, exposed || len(got) == 0, "what has addresses is exposed")
		})
	}
}
