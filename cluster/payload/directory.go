package payload

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// directory serves a payload from files as the build left them.
type directory struct{ root string }

// OpenDirectory takes a directory of files as the payload; Extract then returns
// the directory itself.
func OpenDirectory(dir string) (*Payload, error) {
	root, err := filepath.Abs(dir)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return nil, fmt.Errorf("payload %s: %w", dir, err)
	}
	entries, err := list(root)
	if err != nil {
		return nil, err
	}
	return &Payload{entries: entries, store: directory{root}}, nil
}

// list walks the regular files below root, in the order of their names.
func list(root string) ([]Entry, error) {
	var entries []Entry
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		entries = append(entries, Entry{Name: filepath.ToSlash(name), Mode: info.Mode().Perm(), Size: info.Size()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("payload %s: %w", root, err)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("payload %s: no files; build them with make build", root)
	}
	return entries, nil
}

func (d directory) open(name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(d.root, filepath.FromSlash(name)))
}

func (d directory) digest(name string) (string, error) {
	f, err := d.open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("payload %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (d directory) extract(string, []Entry) (string, error) { return d.root, nil }
