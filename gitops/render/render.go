package render

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"slipway.dev/cluster/api/v1alpha1"
)

// ChartRenderer renders the chart that the request names.
type ChartRenderer func(t *Tree, dir string, req Request) ([]Document, error)

// Render does the work. It belongs in the child: call Runner.Render instead. Without a
// ChartRenderer, charts are a need.
func Render(root *os.Root, req Request, charts ChartRenderer) (*Answer, error) {
	t := newTree(root, req)
	docs, err := documents(t, req, charts)
	switch {
	case t.refused != nil:
		return nil, t.origin(t.refused)
	case len(t.needs) > 0:
		return &Answer{Needs: t.needs}, nil
	case err != nil:
		return nil, t.origin(err)
	}
	var values []map[string]any
	var places []Place
	for _, d := range docs {
		if values, err = flatten(values, d.File, d.Line, d.Value); err != nil {
			return nil, t.origin(err)
		}
		for len(places) < len(values) {
			places = append(places, Place{File: d.File, Line: d.Line})
		}
		if len(values) > maxObjects {
			return nil, refuse(d.File, d.Line, "more than %d objects", maxObjects)
		}
	}
	if len(values) == 0 {
		return nil, refuse("", 0, "directory %q holds no manifests (*.yaml, *.yml, *.json)", req.Path)
	}
	objects := finish(values, req)
	if err := distinct(objects, places); err != nil {
		return nil, t.origin(err)
	}
	set, err := NewSet(objects)
	if err != nil {
		return nil, err
	}
	return &Answer{Set: set, Reads: t.sortedReads(), Clock: t.clock}, nil
}

func documents(t *Tree, req Request, charts ChartRenderer) ([]Document, error) {
	dir, err := directory(req.Path)
	if err != nil {
		return nil, err
	}
	if req.Chart.Archive == "" && !t.IsDir(dir) {
		if t.refused != nil {
			return nil, t.refused
		}
		return nil, refuse("", 0, "directory %q is not in the commit; put the manifests there or set spec.source.path%s", dir, t.beside(dir))
	}
	renderer := req.Renderer
	if renderer == "" {
		renderer = t.guess(dir, req.Chart)
	}
	if req.Recurse && renderer != v1alpha1.RendererPlain {
		return nil, refuse("", 0, "spec.source.recurse is for plain manifests, and directory %q is rendered by %s; leave it out", dir, renderer)
	}
	switch renderer {
	case v1alpha1.RendererPlain:
		return plain(t, dir, req.Recurse)
	case v1alpha1.RendererKustomize:
		return kustomize(t, dir)
	case v1alpha1.RendererHelm:
		if charts == nil {
			return nil, t.Need(Need{Kind: NeedHelm})
		}
		return charts(t, dir, req)
	}
	return nil, refuse("", 0, "renderer %q is not known; known: plain, kustomize, helm", renderer)
}

// beside says which directories there are where one is missing.
func (t *Tree) beside(dir string) string {
	up := path.Dir(dir)
	for up != "." && !t.IsDir(up) {
		up = path.Dir(up)
	}
	names, err := t.ReadDir(up)
	if err != nil {
		return ""
	}
	var there []string
	for _, n := range names {
		if p := path.Join(up, n); !strings.HasPrefix(n, ".") && !t.link(p) && t.IsDir(p) {
			there = append(there, path.Join(up, n))
		}
	}
	switch n := len(there); {
	case n == 0:
		return ""
	case n > 10:
		return fmt.Sprintf("; there are %s and %d more", strings.Join(there[:10], ", "), n-10)
	}
	return "; there are " + strings.Join(there, ", ")
}

// distinct refuses an object that is given twice, with both places.
func distinct(objects []*unstructured.Unstructured, places []Place) error {
	first := make(map[string]int, len(objects))
	for i, o := range objects {
		j, twice := first[key(o)]
		if !twice {
			first[key(o)] = i
			continue
		}
		other := places[j].File
		if places[j].Line > 0 {
			other = fmt.Sprintf("%s:%d", other, places[j].Line)
		}
		return places[i].Refuse("%s %q is given twice; it is in %s, too", o.GetKind(), o.GetName(), other)
	}
	return nil
}

// guess the renderer by the files that each is known by.
func (t *Tree) guess(dir string, chart Chart) string {
	if chart.Archive != "" || t.Exists(path.Join(dir, "Chart.yaml")) {
		return v1alpha1.RendererHelm
	}
	for _, n := range kustomizationNames {
		if t.Exists(path.Join(dir, n)) {
			return v1alpha1.RendererKustomize
		}
	}
	return v1alpha1.RendererPlain
}

// finish fills in what the application decides.
func finish(values []map[string]any, req Request) []*unstructured.Unstructured {
	unscoped := newScopes(req.Cluster, values)
	objects := make([]*unstructured.Unstructured, len(values))
	for i, v := range values {
		prepare(v, req, unscoped)
		objects[i] = &unstructured.Unstructured{Object: v}
	}
	return objects
}

// origin names a brought file by what it is instead of by where it was put.
func (t *Tree) origin(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	for key, dir := range t.brought {
		if rest, ok := strings.CutPrefix(e.File, dir+"/"); ok {
			parts := strings.Split(key, "\n")
			return &Error{File: parts[2] + ": " + rest, Line: e.Line, Column: e.Column, Message: e.Message}
		}
	}
	return err
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
	// A hook may be named when it is made; apply refuses that of anything else.
	name, _ := meta["name"].(string)
	if generated, _ := meta["generateName"].(string); name == "" && generated == "" {
		return nil, refuse(file, line, "%s without metadata.name", kind)
	}
	return append(objects, value), nil
}
