package writeback

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway.dev/cluster/api/v1alpha1"
)

// Tree is the tree of a commit; *git.Worktree satisfies it.
type Tree interface {
	// File at a path; a missing one is fs.ErrNotExist.
	File(path string) ([]byte, error)
	// Files below a directory, by path.
	Files(dir string) ([]string, error)
	Write(path string, data []byte) error
}

var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// Images writes the digests of images into the manifests of dir, and into marked lines
// of further files:
//
//   - Lines that a comment marks, in any YAML file below dir and in files, such as values
//     of Helm. They alone decide where an image is marked anywhere.
//   - Else, if dir has a kustomization, the entry of its images; it is added if missing.
//   - Else the image lines of containers in the YAML files of dir.
//
// It says which of the images it found no place for.
func Images(t Tree, dir string, files []string, images []v1alpha1.Image) (missing []string, err error) {
	below, err := t.Files(dir)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(below)
	for _, f := range files {
		if !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	found := map[string]bool{}
	for _, f := range all {
		if err := editMarked(t, f, slices.Contains(files, f), images, found); err != nil {
			return nil, err
		}
	}
	var left []v1alpha1.Image
	for _, i := range images {
		if !found[i.Name] {
			left = append(left, i)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	for _, n := range kustomizationNames {
		if file := path.Join(dir, n); slices.Contains(below, file) {
			return nil, editFile(t, file, func(d *document) error { return kustomize(d, left) })
		}
	}
	if !slices.Contains(below, path.Join(dir, "Chart.yaml")) {
		for _, f := range below {
			if path.Dir(f) != path.Clean(dir) || !isYAML(f) || strings.HasPrefix(path.Base(f), ".") {
				continue
			}
			if err := editFile(t, f, func(d *document) error { return containers(d, left, found) }); err != nil {
				return nil, err
			}
		}
	}
	for _, i := range left {
		if !found[i.Name] {
			missing = append(missing, i.Name)
		}
	}
	sort.Strings(missing)
	return missing, nil
}

func isYAML(file string) bool {
	ext := path.Ext(file)
	return ext == ".yaml" || ext == ".yml" || slices.Contains(kustomizationNames, path.Base(file))
}

// editFile changes one file, if that changes anything.
func editFile(t Tree, file string, edit func(*document) error) error {
	data, err := t.File(file)
	if err != nil {
		return err
	}
	d, err := parse(file, data)
	if err != nil {
		return err
	}
	if err := edit(d); err != nil {
		return err
	}
	if len(d.edits) == 0 {
		return nil
	}
	out, err := d.bytes()
	if err != nil {
		return err
	}
	return t.Write(file, out)
}

// editMarked changes the marked lines of a file. One that holds no mark is not parsed:
// it may be a template, or anything.
func editMarked(t Tree, file string, must bool, images []v1alpha1.Image, found map[string]bool) error {
	if !must && !isYAML(file) {
		return nil
	}
	data, err := t.File(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("spec.writeBack.files: %w", err)
	}
	if err != nil {
		return err
	}
	if !strings.Contains(string(data), markOpen) && !strings.Contains(string(data), markFlux) {
		return nil
	}
	return editFile(t, file, func(d *document) error { return marked(d, images, found) })
}

// containers changes the image lines of containers of pods.
func containers(d *document, images []v1alpha1.Image, found map[string]bool) error {
	var fault error
	d.visit(func(key, value *yaml.Node, p []string) {
		if key.Value != "image" || value.Kind != yaml.ScalarNode || fault != nil || len(p) < 2 {
			return
		}
		switch p[len(p)-2] {
		case "containers", "initContainers", "ephemeralContainers":
		default:
			return
		}
		bare := Bare(value.Value)
		for _, i := range images {
			if i.Name == bare {
				found[i.Name] = true
				fault = d.replace(value, i.Name+"@"+i.Digest)
			}
		}
	})
	return fault
}

// Bare is the name of an image without its tag and digest.
func Bare(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if colon := strings.LastIndexByte(ref, ':'); colon > strings.LastIndexByte(ref, '/') {
		return ref[:colon]
	}
	return ref
}
