package render

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"slipway.dev/gitops/render/sops"
)

// Tree is the checked-out commit as a read-only file system whose "/" is the
// repository's root. Every access goes through os.Root, so a symbolic link that
// leaves the repository is an error, never a read; what is read is counted.
type Tree struct {
	root  *os.Root
	bytes int64
	files int
	// refused is the first error that Kustomize must not hide behind a guess.
	refused *Error
	// broken are files that are no YAML, which matters only if Kustomize takes them for it.
	broken []*Error

	decrypt, bases bool
	brought        map[string]string
	needs          []Need
	reads          map[Read]bool
	clock          Clock
}

// newTree of the request: what was brought for it, and what it may ask for.
func newTree(root *os.Root, req Request) *Tree {
	return &Tree{root: root, decrypt: req.Decryption, bases: req.RemoteBases, brought: req.Brought}
}

var _ filesys.FileSystem = (*Tree)(nil)

// errReadOnly answers everything that would change the tree.
var errReadOnly = errors.New("the repository is read-only while it is rendered")

// name turns a path of ours ("/deploy/x") into one of os.Root ("deploy/x").
func name(p string) string {
	p = strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(p)), "/")
	if p == "" {
		return "."
	}
	return p
}

// rooted turns one of os.Root into one of ours.
func rooted(name string) string { return path.Clean("/" + name) }

// ReadFile reads one bounded file.
func (t *Tree) ReadFile(p string) ([]byte, error) {
	data, err := t.Read(p)
	if err != nil {
		return nil, err
	}
	if data, err = t.inspect(name(p), data); err != nil {
		return nil, t.keep(err)
	}
	return data, nil
}

// Read reads one bounded file. If it is encrypted, and the server can decrypt it, it is
// asked for; if nobody can, it is refused.
func (t *Tree) Read(p string) ([]byte, error) {
	file := name(p)
	data, err := t.load(file, maxFileBytes)
	if err != nil || !sops.Encrypted(file, data) {
		return data, err
	}
	if t.decrypt {
		return data, t.Need(Need{Kind: NeedPlain, Name: file})
	}
	if others(file, data) {
		return data, nil
	}
	return nil, t.keep(refuse(file, 0, "is encrypted with SOPS; name the Secret with its age key in spec.source.decryption.secretRef"))
}

// others says whether a file is the manifest of a kind that is meant to be encrypted in
// the cluster, too, for a controller that opens it there.
func others(file string, data []byte) bool {
	docs, err := Decode(file, data)
	for _, d := range docs {
		kind, _ := d.Value["kind"].(string)
		version, _ := d.Value["apiVersion"].(string)
		if kind == "" || version == "" || kind == "Secret" && version == "v1" {
			return false
		}
	}
	return err == nil && len(docs) > 0
}

// Archive reads a packed chart.
func (t *Tree) Archive(p string) ([]byte, error) { return t.load(name(p), maxArchiveBytes) }

// Spend counts files that come out of an archive.
func (t *Tree) Spend(file string, files int, bytes int64) error {
	t.files += files
	t.bytes += bytes
	switch {
	case t.files > maxFiles:
		return t.keep(refuse(file, 0, "more than %d files are read", maxFiles))
	case t.bytes > maxTreeBytes:
		return t.keep(refuse(file, 0, "more than %d MiB are read", maxTreeBytes>>20))
	}
	return nil
}

func (t *Tree) load(file string, limit int64) ([]byte, error) {
	t.looked(file, ReadFile)
	info, err := t.root.Stat(file)
	if err != nil {
		return nil, t.explain(file, err)
	}
	if !info.Mode().IsRegular() {
		return nil, t.keep(refuse(file, 0, "not a regular file"))
	}
	f, err := t.root.Open(file)
	if err != nil {
		return nil, t.explain(file, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, t.keep(refuse(file, 0, "larger than %d MiB", limit>>20))
	}
	return data, t.Spend(file, 1, int64(len(data)))
}

// explain names the link when a path leaves the repository.
func (t *Tree) explain(file string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	prefix := ""
	for _, part := range strings.Split(file, "/") {
		prefix = path.Join(prefix, part)
		info, lerr := t.root.Lstat(prefix)
		if lerr != nil {
			break
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, _ := t.root.Readlink(prefix)
			if _, serr := t.root.Stat(prefix); serr != nil {
				return t.keep(refuse(prefix, 0, "symbolic link to %q leaves the repository", target))
			}
		}
	}
	return t.keep(refuse(file, 0, "%v", err))
}

func (t *Tree) keep(err error) error {
	var e *Error
	if t.refused == nil && errors.As(err, &e) {
		t.refused = e
	}
	return err
}

// IsDir reports whether p is a directory.
func (t *Tree) IsDir(p string) bool {
	info, err := t.Stat(p)
	return err == nil && info.IsDir()
}

// Stat describes what is at p.
func (t *Tree) Stat(p string) (fs.FileInfo, error) {
	t.looked(name(p), ReadStat)
	info, err := t.root.Stat(name(p))
	if err != nil {
		return nil, t.explain(name(p), err)
	}
	return info, nil
}

// Exists reports whether p is there.
func (t *Tree) Exists(p string) bool {
	_, err := t.Stat(p)
	return err == nil
}

// ReadDir lists the names of a directory, sorted.
func (t *Tree) ReadDir(p string) ([]string, error) {
	t.looked(name(p), ReadList)
	f, err := t.root.Open(name(p))
	if err != nil {
		return nil, t.explain(name(p), err)
	}
	defer f.Close()
	names, err := f.Readdirnames(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > maxFiles {
		return nil, t.keep(refuse(name(p), 0, "more than %d files in one directory", maxFiles))
	}
	sort.Strings(names)
	return names, nil
}

// CleanedAbs splits p into directory and file.
func (t *Tree) CleanedAbs(p string) (filesys.ConfirmedDir, string, error) {
	if len(p) > maxPathLength || strings.ContainsAny(p, "\x00\r\n") {
		return "", "", t.keep(refuse("", 0, "path %.80q is not valid", p))
	}
	abs := rooted(name(p))
	if t.IsDir(abs) {
		return filesys.ConfirmedDir(abs), "", nil
	}
	if !t.Exists(abs) {
		return "", "", &fs.PathError{Op: "open", Path: name(p), Err: fs.ErrNotExist}
	}
	return filesys.ConfirmedDir(path.Dir(abs)), path.Base(abs), nil
}

// Open opens a file to read.
func (t *Tree) Open(p string) (filesys.File, error) {
	t.looked(name(p), ReadFile)
	f, err := t.root.Open(name(p))
	if err != nil {
		return nil, t.explain(name(p), err)
	}
	return f, nil
}

// Glob is not offered: Kustomize needs it for nothing that is allowed here.
func (t *Tree) Glob(string) ([]string, error) { return nil, errReadOnly }

// Walk is not offered, as Glob.
func (t *Tree) Walk(string, filepath.WalkFunc) error { return errReadOnly }

// Create is refused.
func (t *Tree) Create(string) (filesys.File, error) { return nil, errReadOnly }

// Mkdir is refused.
func (t *Tree) Mkdir(string) error { return errReadOnly }

// MkdirAll is refused.
func (t *Tree) MkdirAll(string) error { return errReadOnly }

// RemoveAll is refused.
func (t *Tree) RemoveAll(string) error { return errReadOnly }

// WriteFile is refused.
func (t *Tree) WriteFile(string, []byte) error { return errReadOnly }
