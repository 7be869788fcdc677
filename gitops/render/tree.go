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
)

// tree is the checked-out commit as a read-only file system whose "/" is the
// repository's root. Every access goes through os.Root, so a symbolic link that
// leaves the repository is an error, never a read; what is read is counted.
type tree struct {
	root  *os.Root
	bytes int64
	files int
	// refused is the first error that Kustomize must not hide behind a guess.
	refused *Error
}

var _ filesys.FileSystem = (*tree)(nil)

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

// ReadFile reads one bounded file.
func (t *tree) ReadFile(p string) ([]byte, error) {
	data, err := t.read(name(p))
	if err != nil {
		return nil, err
	}
	if err := t.inspect(name(p), data); err != nil {
		return nil, t.keep(err)
	}
	return data, nil
}

func (t *tree) read(file string) ([]byte, error) {
	if t.files++; t.files > maxFiles {
		return nil, t.keep(refuse(file, 0, "more than %d files are read", maxFiles))
	}
	info, err := t.root.Stat(file)
	if err != nil {
		return nil, t.explain(file, err)
	}
	if !info.Mode().IsRegular() {
		return nil, refuse(file, 0, "not a regular file")
	}
	f, err := t.root.Open(file)
	if err != nil {
		return nil, t.explain(file, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileBytes {
		return nil, t.keep(refuse(file, 0, "larger than %d MiB", maxFileBytes>>20))
	}
	if t.bytes += int64(len(data)); t.bytes > maxTreeBytes {
		return nil, t.keep(refuse(file, 0, "more than %d MiB are read", maxTreeBytes>>20))
	}
	return data, nil
}

// explain names the link when a path leaves the repository.
func (t *tree) explain(file string, err error) error {
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

func (t *tree) keep(err error) error {
	var e *Error
	if t.refused == nil && errors.As(err, &e) {
		t.refused = e
	}
	return err
}

// IsDir reports whether p is a directory.
func (t *tree) IsDir(p string) bool {
	info, err := t.root.Stat(name(p))
	if err != nil {
		_ = t.explain(name(p), err)
		return false
	}
	return info.IsDir()
}

// Exists reports whether p is there.
func (t *tree) Exists(p string) bool {
	_, err := t.root.Stat(name(p))
	if err != nil {
		_ = t.explain(name(p), err)
	}
	return err == nil
}

// ReadDir lists the names of a directory, sorted.
func (t *tree) ReadDir(p string) ([]string, error) {
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
func (t *tree) CleanedAbs(p string) (filesys.ConfirmedDir, string, error) {
	if len(p) > maxPathLength || strings.ContainsAny(p, "\x00\r\n") {
		return "", "", t.keep(refuse("", 0, "path %.80q is not valid", p))
	}
	abs := "/" + strings.TrimPrefix(name(p), ".")
	abs = path.Clean(abs)
	if t.IsDir(abs) {
		return filesys.ConfirmedDir(abs), "", nil
	}
	if !t.Exists(abs) {
		return "", "", &fs.PathError{Op: "open", Path: name(p), Err: fs.ErrNotExist}
	}
	return filesys.ConfirmedDir(path.Dir(abs)), path.Base(abs), nil
}

// Open opens a file to read.
func (t *tree) Open(p string) (filesys.File, error) {
	f, err := t.root.Open(name(p))
	if err != nil {
		return nil, t.explain(name(p), err)
	}
	return f, nil
}

// Glob is not offered: Kustomize needs it for nothing that is allowed here.
func (t *tree) Glob(string) ([]string, error) { return nil, errReadOnly }

// Walk is not offered, as Glob.
func (t *tree) Walk(string, filepath.WalkFunc) error { return errReadOnly }

// Create is refused.
func (t *tree) Create(string) (filesys.File, error) { return nil, errReadOnly }

// Mkdir is refused.
func (t *tree) Mkdir(string) error { return errReadOnly }

// MkdirAll is refused.
func (t *tree) MkdirAll(string) error { return errReadOnly }

// RemoveAll is refused.
func (t *tree) RemoveAll(string) error { return errReadOnly }

// WriteFile is refused.
func (t *tree) WriteFile(string, []byte) error { return errReadOnly }
