package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
)

// kustomizationNames in the order in which Kustomize looks for them.
var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

func isKustomization(file string) bool {
	for _, n := range kustomizationNames {
		if path.Base(file) == n {
			return true
		}
	}
	return false
}

// kustomize builds the directory: no plugins, no exec, no remote bases, nothing
// read above a kustomization's own root.
func kustomize(t *Tree, dir string) ([]Document, error) {
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	options.PluginConfig = types.DisabledPluginConfig()
	result, err := krusty.MakeKustomizer(options).Run(t, rooted(dir))
	if t.refused != nil {
		return nil, t.refused
	}
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			return nil, e
		}
		said := strings.Join(strings.Fields(err.Error()), " ")
		// Kustomize says what it could not read by its last name; we know the place.
		for _, broken := range t.broken {
			if strings.Contains(said, "in File: "+path.Base(broken.File)) {
				return nil, broken
			}
		}
		return nil, refuse(t.kustomization(dir), 0, "%s", said)
	}
	if result.Size() > maxObjects {
		return nil, refuse(dir, 0, "more than %d objects", maxObjects)
	}
	var out []Document
	for _, r := range result.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return nil, refuse(dir, 0, "%s: %v", r.CurId(), err)
		}
		docs, err := Decode(fmt.Sprintf("%s (%s %s)", dir, r.GetKind(), r.GetName()), text)
		if err != nil {
			return nil, err
		}
		out = append(out, docs...)
	}
	return out, nil
}

// kustomization of a directory, for messages.
func (t *Tree) kustomization(dir string) string {
	for _, n := range kustomizationNames {
		if t.Exists(path.Join(dir, n)) {
			return path.Join(dir, n)
		}
	}
	return dir
}

// noNetwork refuses what Kustomize would fetch, on top of the empty network
// namespace of the child.
type noNetwork struct{}

func (noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("%s://%s is not fetched: only files of the repository are rendered", r.URL.Scheme, r.URL.Host)
}

// inspect looks at a file before Kustomize does: alias bombs in any YAML, and
// references in a kustomization that are not files of the repository. What was brought
// from elsewhere is put in place of such a reference.
func (t *Tree) inspect(file string, data []byte) ([]byte, error) {
	kustomization := isKustomization(file)
	if ext := path.Ext(file); !kustomization && ext != ".yaml" && ext != ".yml" {
		return data, nil
	}
	docs, err := Decode(file, data)
	if err != nil {
		// A file that is only data (a generator's input) need not be a manifest.
		if kustomization || OverLimit(err) {
			return nil, err
		}
		var e *Error
		if errors.As(err, &e) {
			t.broken = append(t.broken, e)
		}
		return data, nil
	}
	if !kustomization {
		return data, nil
	}
	changed := false
	for _, d := range docs {
		if err := fields(NewPlaces(file, data), d); err != nil {
			return nil, err
		}
		replaced, err := t.references(NewPlaces(file, data), d)
		if err != nil {
			return nil, err
		}
		changed = changed || replaced
	}
	if !changed || len(docs) != 1 {
		return data, nil
	}
	return json.Marshal(docs[0].Value)
}

// fields refuses what no kustomization has, with its place: Kustomize does not say where.
func fields(places *Places, d Document) error {
	kind, _ := d.Value["kind"].(string)
	if kind != "" && kind != types.KustomizationKind && kind != types.ComponentKind {
		return nil // Kustomize refuses it
	}
	text, err := json.Marshal(d.Value)
	if err != nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var into types.Kustomization
	if err := decoder.Decode(&into); err != nil {
		if _, after, ok := strings.Cut(err.Error(), "unknown field "); ok {
			field := strings.Trim(after, `"`)
			return places.Of(field).Refuse("a kustomization has no field %q", field)
		}
	}
	return nil
}

// OverLimit says whether an error of Decode is about what aliases expand to, or depth.
func OverLimit(err error) bool {
	var e *Error
	return errors.As(err, &e) && (strings.HasPrefix(e.Message, "more than") || strings.HasPrefix(e.Message, "nested"))
}

// references checks every key of a kustomization that names something to load.
func (t *Tree) references(places *Places, d Document) (replaced bool, err error) {
	k := d.Value
	for _, key := range []string{"helmCharts", "helmChartInflationGenerator"} {
		if _, ok := k[key]; ok {
			return false, places.Of(key).Refuse("%s is not supported: let an application of its own render the chart (spec.source.helm), or commit what it renders to", key)
		}
	}
	for _, key := range []string{"resources", "bases", "components"} {
		list, _ := k[key].([]any)
		for i, item := range list {
			ref, ok := item.(string)
			if !ok {
				continue
			}
			local, err := t.reference(places, key, ref, true)
			if err != nil {
				return false, err
			}
			if local != ref {
				list[i], replaced = local, true
			}
		}
		if replaced {
			// What is still to be brought is left out: the result does not count yet.
			k[key] = slices.DeleteFunc(list, func(v any) bool { return v == "" })
		}
	}
	for _, key := range []string{"crds", "configurations", "generators", "transformers", "validators", "patchesStrategicMerge"} {
		for _, ref := range texts(k[key]) {
			if _, err := t.reference(places, key, ref, false); err != nil {
				return false, err
			}
		}
	}
	for _, key := range []string{"patches", "patchesJson6902", "replacements", "openapi", "configMapGenerator", "secretGenerator"} {
		list, ok := k[key].([]any)
		if !ok {
			list = []any{k[key]}
		}
		for _, item := range list {
			m, _ := item.(map[string]any)
			for _, sub := range []string{"path", "env", "envs", "files"} {
				for _, ref := range texts(m[sub]) {
					if _, after, ok := strings.Cut(ref, "="); ok && sub == "files" {
						ref = after
					}
					if _, err := t.reference(places, key, ref, false); err != nil {
						return false, err
					}
				}
			}
		}
	}
	return replaced, nil
}

// reference gives the local form of what a kustomization names.
func (t *Tree) reference(places *Places, key, ref string, base bool) (string, error) {
	if strings.ContainsAny(ref, "\n{") {
		return ref, nil // an inline patch
	}
	remote := strings.Contains(ref, "://") || strings.HasPrefix(ref, "git@") || strings.HasPrefix(ref, "git::")
	if base && !remote && !t.Exists(path.Join(path.Dir("/"+places.file), ref)) {
		if t.refused != nil {
			return "", t.refused
		}
		if !t.bases || !hostLike.MatchString(ref) {
			why := "it would be " + strings.TrimPrefix(path.Join(path.Dir("/"+places.file), ref), "/")
			if hostLike.MatchString(ref) {
				why = "remote bases are not fetched"
			}
			return "", places.Of(ref).Refuse("%s: %q is not in the repository; %s", key, ref, why)
		}
		remote = true
	}
	switch {
	case !remote:
		return ref, nil
	case !base || !t.bases:
		return "", places.Of(ref).Refuse("%s: %q is remote; only files of the repository are rendered", key, ref)
	}
	return t.base(places.Of(ref), key, ref)
}

// texts are the strings of a string or list.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
