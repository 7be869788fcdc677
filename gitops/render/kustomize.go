package render

import (
	"errors"
	"fmt"
	"net/http"
	"path"
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
func kustomize(t *tree, dir string) ([]map[string]any, error) {
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	options.PluginConfig = types.DisabledPluginConfig()
	result, err := krusty.MakeKustomizer(options).Run(t, "/"+strings.TrimPrefix(dir, "."))
	if t.refused != nil {
		return nil, t.refused
	}
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			return nil, e
		}
		return nil, refuse(dir, 0, "%s", strings.Join(strings.Fields(err.Error()), " "))
	}
	if result.Size() > maxObjects {
		return nil, refuse(dir, 0, "more than %d objects", maxObjects)
	}
	var objects []map[string]any
	for _, r := range result.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return nil, refuse(dir, 0, "%s: %v", r.CurId(), err)
		}
		docs, err := decode(fmt.Sprintf("%s (%s %s)", dir, r.GetKind(), r.GetName()), text)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			objects = append(objects, d.value)
		}
	}
	return objects, nil
}

// noNetwork refuses what Kustomize would fetch, on top of the empty network
// namespace of the child.
type noNetwork struct{}

func (noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("%s://%s is not fetched: only files of the repository are rendered", r.URL.Scheme, r.URL.Host)
}

// inspect looks at a file before Kustomize does: alias bombs in any YAML, and
// references in a kustomization that are not files of the repository.
func (t *tree) inspect(file string, data []byte) error {
	kustomization := isKustomization(file)
	if ext := path.Ext(file); !kustomization && ext != ".yaml" && ext != ".yml" {
		return nil
	}
	docs, err := decode(file, data)
	if err != nil {
		// A file that is only data (a generator's input) need not be a manifest.
		var e *Error
		limit := errors.As(err, &e) && (strings.HasPrefix(e.Message, "more than") || strings.HasPrefix(e.Message, "nested"))
		if kustomization || limit {
			return err
		}
		return nil
	}
	if !kustomization {
		return nil
	}
	for _, d := range docs {
		if err := t.references(file, d.value); err != nil {
			return err
		}
	}
	return nil
}

// references checks every key of a kustomization that names something to load.
func (t *tree) references(file string, k map[string]any) error {
	for _, key := range []string{"helmCharts", "helmChartInflationGenerator"} {
		if _, ok := k[key]; ok {
			return refuse(file, 0, "%s is not supported: render the chart and commit the result", key)
		}
	}
	for _, key := range []string{"resources", "bases", "components"} {
		for _, ref := range texts(k[key]) {
			if err := t.reference(file, key, ref, true); err != nil {
				return err
			}
		}
	}
	for _, key := range []string{"crds", "configurations", "generators", "transformers", "validators", "patchesStrategicMerge"} {
		for _, ref := range texts(k[key]) {
			if err := t.reference(file, key, ref, false); err != nil {
				return err
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
					if err := t.reference(file, key, ref, false); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (t *tree) reference(file, key, ref string, mustExist bool) error {
	if strings.ContainsAny(ref, "\n{") {
		return nil // an inline patch
	}
	if strings.Contains(ref, "://") || strings.HasPrefix(ref, "git@") || strings.HasPrefix(ref, "git::") {
		return refuse(file, 0, "%s: %q is remote; only files of the repository are rendered", key, ref)
	}
	if mustExist && !t.Exists(path.Join(path.Dir("/"+file), ref)) {
		if t.refused != nil {
			return t.refused
		}
		return refuse(file, 0, "%s: %q is not in the repository; remote bases are not fetched", key, ref)
	}
	return nil
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
