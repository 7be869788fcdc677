package render

import (
	"io/fs"
	"path"
	"strings"
)

// maxBelow is how deep directories are read below that of an application.
const maxBelow = 30

// plain reads every manifest of the directory, in the order of names, and with recurse
// those of the directories below it.
func plain(t *Tree, dir string, recurse bool) ([]Document, error) {
	var out []Document
	return out, manifests(t, dir, recurse, 0, &out)
}

func manifests(t *Tree, dir string, recurse bool, depth int, out *[]Document) error {
	if depth > maxBelow {
		return refuse(dir, 0, "more than %d directories deep", maxBelow)
	}
	names, err := t.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		file := path.Join(dir, n)
		if strings.HasPrefix(n, ".") {
			continue
		}
		manifest := false
		switch path.Ext(n) {
		case ".yaml", ".yml", ".json":
			manifest = true
		}
		// A link that leads anywhere is looked at only if its name is that of a manifest.
		if behind := t.link(file); (manifest || recurse && !behind) && t.IsDir(file) {
			if recurse && !behind {
				if err := manifests(t, file, recurse, depth+1, out); err != nil {
					return err
				}
			}
			continue
		}
		if depth > 0 && (isKustomization(file) || n == "Chart.yaml") {
			return refuse(file, 0, "spec.source.recurse reads plain manifests only, and this directory is more; give it an application of its own")
		}
		if !manifest {
			continue
		}
		if isKustomization(file) {
			continue
		}
		data, err := t.Read(file)
		if err != nil {
			return err
		}
		docs, err := Decode(file, data)
		if err != nil {
			return err
		}
		if *out = append(*out, docs...); len(*out) > maxObjects {
			return refuse(file, 0, "more than %d objects", maxObjects)
		}
	}
	return nil
}

// link says whether p itself is a symbolic link: directories behind links are not gone
// into, as they may lead back up.
func (t *Tree) link(p string) bool {
	info, err := t.root.Lstat(name(p))
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
