package stack

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/authz"
	"slipway.dev/cluster/pki"
)

// Render is every object of a stack, but for the namespace and what is kept with the data.
func Render(spec v1alpha1.LogStackSpec, s *Secrets) []client.Object {
	if spec.Elasticsearch.Replicas == 0 {
		spec.Elasticsearch.Replicas = 1
	}
	all := append(fluentd(spec, s), elasticsearch(spec, s)...)
	if spec.Logstash != nil {
		all = append(all, logstash(spec, s)...)
	}
	if spec.Kibana != nil {
		all = append(all, kibana(spec, s)...)
	}
	return all
}

// ground is what comes first: the namespace, the server's rights in it, and that its pods
// may pull the images that were pushed for it.
func ground() []client.Object {
	bind := func(name, role, kind, subject string) client.Object {
		return &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{labelPart: ""}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: kind, Name: subject}},
		}
	}
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{
			labelPart: "", "pod-security.kubernetes.io/enforce": "baseline",
		}}},
		bind("slipway-server", authz.RoleDeployer, rbacv1.UserKind, pki.ServerUser),
		bind("slipway-pull", authz.RolePuller, rbacv1.GroupKind, "system:serviceaccounts:"+namespace),
	}
}
