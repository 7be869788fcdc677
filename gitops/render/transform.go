package render

import (
	"strings"

	"slipway.dev/cluster/api/v1alpha1"
)

// builtIn are the built-in kinds that have no namespace. The apiserver and apply's
// policy have the last word.
var builtIn = map[string]bool{
	"Namespace": true, "Node": true, "PersistentVolume": true, "StorageClass": true,
	"ClusterRole": true, "ClusterRoleBinding": true, "CustomResourceDefinition": true,
	"PriorityClass": true, "IngressClass": true, "RuntimeClass": true, "APIService": true,
	"MutatingWebhookConfiguration": true, "ValidatingWebhookConfiguration": true,
	"ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true,
	"CSIDriver": true, "VolumeSnapshotClass": true, "GatewayClass": true,
}

// scopes are the kinds without a namespace, as "group/Kind".
type scopes map[string]bool

// newScopes of what is known of the cluster, and of the definitions in the set itself:
// a kind and its objects may come together.
func newScopes(c Cluster, values []map[string]any) scopes {
	s := scopes{}
	for _, kind := range c.Unscoped {
		s[kind] = true
	}
	for _, v := range values {
		spec, _ := v["spec"].(map[string]any)
		if v["kind"] != "CustomResourceDefinition" || spec == nil {
			continue
		}
		names, _ := spec["names"].(map[string]any)
		group, _ := spec["group"].(string)
		kind, _ := names["kind"].(string)
		s[group+"/"+kind] = spec["scope"] == "Cluster"
	}
	return s
}

func (s scopes) has(apiVersion, kind string) bool {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group = ""
	}
	unscoped, known := s[group+"/"+kind]
	return unscoped || !known && builtIn[kind] && (group == "" || strings.HasSuffix(group, ".k8s.io"))
}

// podTemplates says where a kind keeps the metadata and spec of its pods.
var podTemplates = map[string][]string{
	"Pod":                   {},
	"Deployment":            {"spec", "template"},
	"StatefulSet":           {"spec", "template"},
	"DaemonSet":             {"spec", "template"},
	"ReplicaSet":            {"spec", "template"},
	"ReplicationController": {"spec", "template"},
	"Job":                   {"spec", "template"},
	"CronJob":               {"spec", "jobTemplate", "spec", "template"},
	"PodTemplate":           {"template"},
}

// PodTemplate is the part of an object that holds its pods' metadata and spec, or
// nil for a kind without pods.
func PodTemplate(object map[string]any) map[string]any {
	kind, _ := object["kind"].(string)
	if group, _ := object["apiVersion"].(string); strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io/v1") {
		return nil
	}
	fields, ok := podTemplates[kind]
	if !ok {
		return nil
	}
	for _, f := range fields {
		if object, ok = object[f].(map[string]any); !ok {
			return nil
		}
	}
	return object
}

// prepare fills in what the application decides: namespace, label and digests.
func prepare(object map[string]any, req Request, unscoped scopes) {
	meta := child(object, "metadata")
	kind, _ := object["kind"].(string)
	version, _ := object["apiVersion"].(string)
	if ns, _ := meta["namespace"].(string); ns == "" && req.Namespace != "" && !unscoped.has(version, kind) {
		meta["namespace"] = req.Namespace
	}
	if req.Application != "" {
		child(meta, "labels")[v1alpha1.LabelApplication] = req.Application
	}
	template := PodTemplate(object)
	if template == nil {
		return
	}
	if req.Application != "" {
		child(child(template, "metadata"), "labels")[v1alpha1.LabelApplication] = req.Application
	}
	spec, _ := template["spec"].(map[string]any)
	for _, key := range []string{"initContainers", "containers", "ephemeralContainers"} {
		list, _ := spec[key].([]any)
		for _, item := range list {
			if container, ok := item.(map[string]any); ok {
				pin(container, req.Images, req.Renew)
			}
		}
	}
}

// pin replaces the tag of a container's image by the digest of the same name. A
// digest that the manifest itself names stays, unless it is to be renewed.
func pin(container map[string]any, images []v1alpha1.Image, renew bool) {
	ref, _ := container["image"].(string)
	ref, _, fixed := strings.Cut(ref, "@")
	if ref == "" || fixed && !renew {
		return
	}
	bare := ref
	if colon := strings.LastIndexByte(ref, ':'); colon > strings.LastIndexByte(ref, '/') {
		bare = ref[:colon]
	}
	for _, image := range images {
		if image.Name == bare {
			container["image"] = image.Name + "@" + image.Digest
			return
		}
	}
}

// child is the mapping under key, made if it is missing.
func child(m map[string]any, key string) map[string]any {
	if c, ok := m[key].(map[string]any); ok {
		return c
	}
	c := map[string]any{}
	m[key] = c
	return c
}
