package authz

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// A scope travels as groups of the user, so that it is not lost where only names and
// groups are handed on. RBAC knows no such groups, so they give no right.
const (
	scopeNamespace = "slipway:scope:namespace:"
	scopeRole      = "slipway:scope:role:"
)

// scopeOf returns the namespaces and cluster roles that u is narrowed to.
func scopeOf(u User) (namespaces, roles []string) {
	for _, g := range u.Groups {
		if ns, ok := strings.CutPrefix(g, scopeNamespace); ok {
			namespaces = append(namespaces, ns)
		} else if role, ok := strings.CutPrefix(g, scopeRole); ok {
			roles = append(roles, role)
		}
	}
	return namespaces, roles
}

// within says whether a stays in each of the namespaces.
func within(a Attributes, namespaces []string) bool {
	return !slices.ContainsFunc(namespaces, func(ns string) bool { return a.Namespace != ns })
}

// covers says whether RBAC rules allow a.
func covers(rules []rbacv1.PolicyRule, a Attributes) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
		if !has(r.Verbs, a.Verb) {
			return false
		}
		if a.Path != "" {
			return slices.ContainsFunc(r.NonResourceURLs, func(p string) bool {
				prefix, wild := strings.CutSuffix(p, "*")
				return p == a.Path || wild && strings.HasPrefix(a.Path, prefix)
			})
		}
		resource := a.Resource
		if a.Subresource != "" {
			resource += "/" + a.Subresource
		}
		return has(r.APIGroups, a.Group) && (has(r.Resources, resource) || a.Subresource != "" && slices.Contains(r.Resources, "*/"+a.Subresource)) &&
			(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, a.Name))
	})
}

func has(list []string, value string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, value)
}
