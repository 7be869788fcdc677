package authz

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/cluster/pki"
)

// Group is the API group of Slipway's kinds and of its virtual resources: images
// (get pulls, create pushes, delete), logs, metrics, silences, tokens, variables (CI variables,
// whose values nobody reads), and developerartifacts and maintainerartifacts (what jobs
// keep for those alone).
const Group = "slipway.dev"

// Names of the cluster roles.
const (
	RoleAdmin      = "slipway-admin"
	RoleMaintainer = "slipway-maintainer"
	RoleDeveloper  = "slipway-developer"
	RoleViewer     = "slipway-viewer"
	RoleDeployer   = "slipway-deployer"
	RoleServer     = "slipway-server"
	RolePuller     = "slipway-puller"
	// RoleImpersonator is the server's within a tenant's namespace: to act as a service
	// account of it that an application names instead of the deployer.
	RoleImpersonator = "slipway-impersonator"
)

var (
	read  = []string{"get", "list", "watch"}
	write = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
)

func rule(verbs []string, group string, resources ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: verbs, APIGroups: []string{group}, Resources: resources}
}

func role(name string, rules ...rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
}

// ClusterRoles are Slipway's roles, as they should be on the cluster.
func ClusterRoles() []*rbacv1.ClusterRole {
	return []*rbacv1.ClusterRole{adminRole(), maintainerRole(), developerRole(), viewerRole(), deployerRole(), serverRole(),
		role(RolePuller, rule([]string{"get"}, Group, "images")),
		role(RoleImpersonator, rule([]string{"impersonate"}, "", "serviceaccounts"))}
}

func adminRole() *rbacv1.ClusterRole {
	return role(RoleAdmin,
		rule([]string{"*"}, Group, "*"),
		rule([]string{"*"}, "tekton.dev", "*"),
		rule(read, "", "namespaces", "nodes", "pods", "pods/log", "services", "endpoints", "events", "configmaps", "persistentvolumeclaims", "persistentvolumes"),
		rule(read, "apps", "*"),
		rule(read, "metrics.k8s.io", "nodes", "pods"),
		rule(read, "monitoring.coreos.com", "servicemonitors", "podmonitors", "probes", "prometheusrules"),
		rbacv1.PolicyRule{Verbs: []string{"get", "post"}, NonResourceURLs: []string{"/metrics", "/prometheus/*", "/api/*", "/elastic/*"}},
	)
}

// maintainerRole is a developer who also keeps the CI variables, whose Secrets cannot be
// read with it, and approves promotions and previews of forks.
func maintainerRole() *rbacv1.ClusterRole {
	r := developerRole()
	return role(RoleMaintainer, append(r.Rules,
		rule([]string{"list", "create", "delete"}, Group, "variables"),
		rule([]string{"get"}, Group, "maintainerartifacts"),
		rule([]string{"approve"}, Group, "promotions", "applicationsets"),
	)...)
}

func developerRole() *rbacv1.ClusterRole {
	return role(RoleDeveloper,
		rule(write, Group, "repositories", "applications", "applicationsets", "runs", "schedules", "environments"),
		rule([]string{"get", "list", "watch", "create"}, Group, "promotions"),
		rule(read, Group, "releases", "repositories/status", "applications/status", "runs/status"),
		rule([]string{"get", "create"}, Group, "images"),
		rule(read, Group, "logs", "metrics"),
		rule([]string{"create"}, Group, "logs"),
		rule([]string{"create", "delete"}, Group, "silences"),
		rule([]string{"list"}, Group, "variables"),
		rule([]string{"get"}, Group, "developerartifacts"),
		rule(read, "metrics.k8s.io", "pods"),
		rule(read, "tekton.dev", "taskruns", "pipelineruns"),
	)
}

func viewerRole() *rbacv1.ClusterRole {
	return role(RoleViewer,
		rule(read, Group, "repositories", "applications", "applicationsets", "promotions", "runs", "releases", "schedules", "environments", "logs", "metrics"),
		rule([]string{"get"}, Group, "images"),
		rule(read, "tekton.dev", "taskruns", "pipelineruns"),
		rule(read, "metrics.k8s.io", "pods"),
	)
}

// deployerRole is what a tenant's manifests may contain: workloads, configuration and
// networking of its namespace; no roles, no quotas, nothing of the cluster's. Tokens of
// service accounts cannot be asked for with it, nor can anyone be impersonated.
func deployerRole() *rbacv1.ClusterRole {
	return role(RoleDeployer,
		rule(write, "", "configmaps", "secrets", "services", "persistentvolumeclaims", "pods", "replicationcontrollers", "serviceaccounts"),
		rule(read, "", "pods/log", "pods/status", "events", "endpoints", "limitranges", "resourcequotas"),
		rule(write, "apps", "deployments", "statefulsets", "daemonsets", "replicasets", "deployments/scale", "statefulsets/scale"),
		rule(write, "batch", "jobs", "cronjobs"),
		rule(write, "autoscaling", "horizontalpodautoscalers"),
		rule(write, "monitoring.coreos.com", "servicemonitors", "podmonitors", "probes", "prometheusrules"),
		rule(write, "policy", "poddisruptionbudgets"),
		rule(write, "networking.k8s.io", "ingresses", "networkpolicies"),
		rule(read, "discovery.k8s.io", "endpointslices"),
	)
}

// serverRole is the server's own identity. It runs pipelines and keeps state, and
// applies what users wrote only as their deployer.
func serverRole() *rbacv1.ClusterRole {
	deployer := rule([]string{"impersonate"}, "", "serviceaccounts")
	deployer.ResourceNames = []string{v1alpha1.DeployerServiceAccount}
	// What a preview's namespace is given; see addons.Previews.
	gives := rule([]string{"bind"}, rbacv1.GroupName, "clusterroles")
	gives.ResourceNames = []string{RoleDeployer, RoleViewer, RolePuller}
	return role(RoleServer,
		gives,
		rule(write, rbacv1.GroupName, "rolebindings"),
		rule(write, "", "resourcequotas", "limitranges"),
		rule(write, "networking.k8s.io", "networkpolicies"),
		rule([]string{"*"}, Group, "*"),
		rule([]string{"*"}, "tekton.dev", "*"),
		deployer,
		rule(write, "", "namespaces", "pods", "secrets", "configmaps", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes", "events", "services", "endpoints"),
		// Discovery, health and differences concern objects of every kind.
		rule(read, "*", "*"),
		rule([]string{"get"}, "", "nodes/metrics", "nodes/stats", "nodes/proxy"),
		rule([]string{"create", "patch", "update"}, "", "pods/status", "persistentvolumeclaims/status"),
		rule([]string{"create", "patch", "update"}, "events.k8s.io", "events"),
		rule(write, "coordination.k8s.io", "leases"),
		rule([]string{"create"}, "authentication.k8s.io", "tokenreviews"),
		rule([]string{"create"}, "authorization.k8s.io", "subjectaccessreviews"),
		rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics", "/metrics/*", "/livez", "/readyz", "/healthz"}},
	)
}

// ClusterRoleBindings say who has which role in the whole cluster.
func ClusterRoleBindings() []*rbacv1.ClusterRoleBinding {
	return []*rbacv1.ClusterRoleBinding{
		bind("slipway-admins", RoleAdmin, rbacv1.GroupKind, AdminGroup),
		bind("slipway-server", RoleServer, rbacv1.UserKind, pki.ServerUser),
		bind("slipway-apiserver-kubelet-client", "system:kubelet-api-admin", rbacv1.UserKind, pki.KubeletClientUser),
		bind("slipway-kubelet-registry-audience", RoleRegistryAudience, rbacv1.GroupKind, "system:nodes"),
	}
}

// RoleRegistryAudience lets kubelets ask for tokens of pods for the registry.
const RoleRegistryAudience = "slipway-kubelet-registry-audience"

// KubeletAudienceRole is that role: the virtual resource that NodeRestriction asks for.
func KubeletAudienceRole() *rbacv1.ClusterRole {
	return role(RoleRegistryAudience, rule([]string{"request-serviceaccounts-token-audience"}, "", v1alpha1.RegistryHost))
}

func bind(name, roleName, kind, subject string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: roleName},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: kind, Name: subject}},
	}
}

// TenantGroup is the group whose members have a role in a tenant's namespace.
func TenantGroup(namespace, members string) string { return "slipway:" + namespace + ":" + members }
