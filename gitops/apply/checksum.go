package apply

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
	"slipway.dev/gitops/render"
)

// restartable kinds make new pods when their template changes.
var restartable = map[string]bool{"Deployment": true, "StatefulSet": true, "DaemonSet": true}

// checksums writes on pod templates what configuration they read, so that they restart
// when it changes, and returns what of it is outside the set.
func (a *Applier) checksums(ctx context.Context, p *place, t Target, objects []*unstructured.Unstructured) ([]v1alpha1.ConfigReference, error) {
	within := map[string]*unstructured.Unstructured{}
	for _, list := range [][]*unstructured.Unstructured{t.Set, objects} {
		for _, o := range list {
			if o.GetAPIVersion() == "v1" && !IsHook(o) {
				within[o.GetKind()+"/"+o.GetNamespace()+"/"+o.GetName()] = o
			}
		}
	}
	outside := map[string]v1alpha1.ConfigReference{}
	for _, o := range objects {
		if !restartable[o.GetKind()] || IsHook(o) {
			continue
		}
		template := render.PodTemplate(o.Object)
		var sums []string
		for _, ref := range configOf(template) {
			kind, name, _ := strings.Cut(ref, "/")
			key := kind + "/" + o.GetNamespace() + "/" + name
			fingerprint := outside[key].Fingerprint
			if in := within[key]; in != nil {
				fingerprint = t.Seal(content(in))
			} else if fingerprint == "" {
				var err error
				if fingerprint, err = a.fingerprint(ctx, p, t, kind, o.GetNamespace(), name); err != nil {
					return nil, err
				}
				outside[key] = v1alpha1.ConfigReference{Kind: kind, Name: name, Fingerprint: fingerprint}
			}
			sums = append(sums, ref+"="+fingerprint)
		}
		if len(sums) == 0 {
			continue
		}
		meta, _ := template["metadata"].(map[string]any)
		if meta == nil {
			meta = map[string]any{}
			template["metadata"] = meta
		}
		notes, _ := meta["annotations"].(map[string]any)
		if notes == nil {
			notes = map[string]any{}
			meta["annotations"] = notes
		}
		notes[v1alpha1.AnnotationConfigChecksum] = t.Seal([]byte(strings.Join(sums, "\n")))
	}
	out := make([]v1alpha1.ConfigReference, 0, len(outside))
	for _, r := range outside {
		out = append(out, r)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Kind+out[i].Name < out[j].Kind+out[j].Name })
	return out, nil
}

// References are the ConfigMaps and Secrets outside the set that its pods use, as they
// are now.
func (a *Applier) References(ctx context.Context, t Target, objects []*unstructured.Unstructured) ([]v1alpha1.ConfigReference, error) {
	p, err := a.place(ctx, t)
	if err != nil {
		return nil, err
	}
	_, references, err := a.desired(ctx, p, t, objects)
	return references, err
}

// Changed says whether the data of one of the references is another now.
func (a *Applier) Changed(ctx context.Context, t Target, references []v1alpha1.ConfigReference) (bool, error) {
	p, err := a.place(ctx, t)
	if err != nil || t.Seal == nil {
		return false, err
	}
	for _, r := range references {
		now, err := a.fingerprint(ctx, p, t, r.Kind, t.where(), r.Name)
		if err != nil || now != r.Fingerprint {
			return err == nil, err
		}
	}
	return false, nil
}

// fingerprint of the data of a live ConfigMap or Secret. The account reads it: what it
// may not read is nobody's business.
func (a *Applier) fingerprint(ctx context.Context, p *place, t Target, kind, namespace, name string) (string, error) {
	live, err := find(ctx, p.client, v1alpha1.ObjectReference{Version: "v1", Kind: kind, Namespace: namespace, Name: name})
	if err != nil {
		return "", explain(err)
	}
	if live == nil {
		return "missing", nil
	}
	return t.Seal(content(live)), nil
}

// content is the data of a ConfigMap or Secret in one form, however it was written.
func content(o *unstructured.Unstructured) []byte {
	all := map[string]any{}
	for _, field := range []string{"binaryData", "data"} {
		values, _, _ := unstructured.NestedMap(o.Object, field)
		for k, v := range values {
			all[k] = v
		}
	}
	plain, _, _ := unstructured.NestedMap(o.Object, "stringData")
	for k, v := range plain {
		if s, ok := v.(string); ok {
			all[k] = base64.StdEncoding.EncodeToString([]byte(s))
		}
	}
	data, _ := json.Marshal(all)
	return append([]byte(o.GetKind()+"\n"), data...)
}

// configOf lists what a pod template reads, as "ConfigMap/name", each once.
func configOf(template map[string]any) []string {
	var out []string
	add := func(kind string, ref any, key string) {
		m, _ := ref.(map[string]any)
		if name, _ := m[key].(string); name != "" && !slices.Contains(out, kind+"/"+name) {
			out = append(out, kind+"/"+name)
		}
	}
	spec, _ := template["spec"].(map[string]any)
	for _, field := range []string{"initContainers", "containers"} {
		for _, c := range items(spec[field]) {
			for _, e := range items(c["envFrom"]) {
				add("ConfigMap", e["configMapRef"], "name")
				add("Secret", e["secretRef"], "name")
			}
			for _, e := range items(c["env"]) {
				from, _ := e["valueFrom"].(map[string]any)
				add("ConfigMap", from["configMapKeyRef"], "name")
				add("Secret", from["secretKeyRef"], "name")
			}
		}
	}
	for _, v := range items(spec["volumes"]) {
		add("ConfigMap", v["configMap"], "name")
		add("Secret", v["secret"], "secretName")
		projected, _ := v["projected"].(map[string]any)
		for _, s := range items(projected["sources"]) {
			add("ConfigMap", s["configMap"], "name")
			add("Secret", s["secret"], "name")
		}
	}
	sort.Strings(out)
	return out
}

func items(v any) []map[string]any {
	list, _ := v.([]any)
	out := make([]map[string]any, 0, len(list))
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
