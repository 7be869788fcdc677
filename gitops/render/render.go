package render

import (
	"os"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
)

// Request says what to render.
type Request struct {
	// Path of the directory within the tree. Default "deploy".
	Path string `json:"path"`
	// Renderer is "plain", "kustomize" or empty: kustomize if there is a kustomization.
	Renderer string `json:"renderer,omitempty"`
	// Images whose digests replace the tags of the same names.
	Images []v1alpha1.Image `json:"images,omitempty"`
	// Renew has Images replace digests in the manifests too: those were written back there.
	Renew bool `json:"renew,omitempty"`
	// Namespace of objects without one.
	Namespace string `json:"namespace,omitempty"`
	// Application is the value of the label slipway.dev/application. It goes to objects
	// and pod templates, never into a selector.
	Application string `json:"application,omitempty"`
}

// Render does the work. It belongs in the child: call Runner.Render instead.
func Render(root *os.Root, req Request) (*Set, error) {
	dir, err := directory(req.Path)
	if err != nil {
		return nil, err
	}
	t := &tree{root: root}
	if !t.IsDir(dir) {
		if t.refused != nil {
			return nil, t.refused
		}
		return nil, refuse("", 0, "directory %q is not in the commit; put the manifests there or set spec.source.path", dir)
	}
	renderer := req.Renderer
	if renderer == "" {
		renderer = "plain"
		for _, n := range kustomizationNames {
			if t.Exists(path.Join(dir, n)) {
				renderer = "kustomize"
			}
		}
	}
	var values []map[string]any
	switch renderer {
	case "plain":
		values, err = plain(t, dir)
	case "kustomize":
		values, err = kustomize(t, dir)
	default:
		err = refuse("", 0, "renderer %q is not known; known: plain, kustomize", renderer)
	}
	if err != nil {
		return nil, err
	}
	if t.refused != nil {
		return nil, t.refused
	}
	if len(values) == 0 {
		return nil, refuse("", 0, "directory %q holds no manifests (*.yaml, *.yml, *.json)", dir)
	}
	objects := make([]*unstructured.Unstructured, len(values))
	for i, v := range values {
		prepare(v, req)
		objects[i] = &unstructured.Unstructured{Object: v}
	}
	return NewSet(objects)
}

// directory cleans the path of an application; it stays within the tree.
func directory(p string) (string, error) {
	if p == "" {
		p = "deploy"
	}
	if len(p) > maxPathLength || strings.ContainsAny(p, "\x00\r\n\\") {
		return "", refuse("", 0, "path %.80q is not valid", p)
	}
	clean := path.Clean(p)
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return "", refuse("", 0, "path %.80q leaves the repository", p)
	}
	return clean, nil
}

// plain reads every manifest of the directory, in the order of names.
func plain(t *tree, dir string) ([]map[string]any, error) {
	names, err := t.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var objects []map[string]any
	for _, n := range names {
		switch path.Ext(n) {
		case ".yaml", ".yml", ".json":
		default:
			continue
		}
		file := path.Join(dir, n)
		if strings.HasPrefix(n, ".") || t.IsDir(file) || isKustomization(file) {
			continue
		}
		data, err := t.read(file)
		if err != nil {
			return nil, err
		}
		docs, err := decode(file, data)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			if objects, err = flatten(objects, file, d.line, d.value); err != nil {
				return nil, err
			}
			if len(objects) > maxObjects {
				return nil, refuse(file, d.line, "more than %d objects", maxObjects)
			}
		}
	}
	return objects, nil
}

// flatten appends the object, or the items of a List, after a look at its names.
func flatten(objects []map[string]any, file string, line int, value map[string]any) ([]map[string]any, error) {
	kind, _ := value["kind"].(string)
	version, _ := value["apiVersion"].(string)
	if kind == "" || version == "" {
		return nil, refuse(file, line, "apiVersion and kind must be given")
	}
	if items, ok := value["items"].([]any); ok && strings.HasSuffix(kind, "List") {
		for _, item := range items {
			m, ok := item.(map[string]any)
			if !ok {
				return nil, refuse(file, line, "an item of %s is not an object", kind)
			}
			var err error
			if objects, err = flatten(objects, file, line, m); err != nil {
				return nil, err
			}
		}
		return objects, nil
	}
	meta, _ := value["metadata"].(map[string]any)
	if name, _ := meta["name"].(string); name == "" {
		return nil, refuse(file, line, "%s without metadata.name", kind)
	}
	return append(objects, value), nil
}
