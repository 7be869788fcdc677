package submodule

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/config"
)

// File is where a commit lists its submodules.
const File = ".gitmodules"

// Limits.
const (
	maxFile    = 256 << 10
	maxModules = 100 // with those of submodules
	maxNested  = 10
)

// Module is one entry of .gitmodules.
type Module struct{ Name, Path, URL string }

// Parse .gitmodules: its entries by path. What git would not take is an error that names it.
func Parse(data []byte) (modules []Module, err error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are read", File, len(data), maxFile)
	}
	defer func() {
		// The parser is not ours and its input is anybody's.
		if r := recover(); r != nil {
			modules, err = nil, fmt.Errorf("%s is not readable", File)
		}
	}()
	raw := config.New()
	if err := config.NewDecoder(bytes.NewReader(data)).Decode(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", File, err)
	}
	for _, s := range raw.Section("submodule").Subsections {
		m := Module{s.Name, s.Option("path"), s.Option("url")}
		if err := m.check(); err != nil {
			return nil, fmt.Errorf("%s: submodule %q: %w", File, s.Name, err)
		}
		m.Path = path.Clean(m.Path)
		modules = append(modules, m)
	}
	if len(modules) > maxModules {
		return nil, fmt.Errorf("%s has %d submodules; at most %d are fetched", File, len(modules), maxModules)
	}
	slices.SortFunc(modules, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return modules, nil
}

var (
	errPath = errors.New("the path is not one below the repository")
	errName = errors.New("git does not take this name")
)

func (m *Module) check() error {
	switch {
	case m.Name == "" || slices.Contains(strings.FieldsFunc(m.Name, func(r rune) bool { return r == '/' || r == '\\' }), ".."):
		return errName
	case m.URL == "":
		return errors.New("it has no url")
	}
	return local(m.Path)
}

func local(p string) error {
	clean := path.Clean(p)
	if p == "" || clean == "." || path.IsAbs(p) || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) {
		return errPath
	}
	for _, part := range strings.Split(clean, "/") {
		if part == ".." || strings.EqualFold(part, ".git") {
			return errPath
		}
	}
	return nil
}

// Wanted says whether a submodule is among the paths that somebody chose, as git's
// pathspecs name them: a path, or `:(exclude)` or `:!` and a path.
func Wanted(name string, specs []string) bool {
	wanted, chosen := true, false
	for _, s := range specs {
		if _, out := excluded(s); !out && !chosen {
			wanted, chosen = false, true
		}
	}
	for _, s := range specs {
		p, out := excluded(s)
		if covers(p, name) {
			wanted = !out
			if out {
				return false
			}
		}
	}
	return wanted
}

func excluded(spec string) (string, bool) {
	for _, prefix := range []string{":(exclude)", ":!", ":^"} {
		if p, ok := strings.CutPrefix(spec, prefix); ok {
			return p, true
		}
	}
	return spec, false
}

func covers(spec, name string) bool {
	spec = path.Clean(spec)
	if spec == "." || spec == name || strings.HasPrefix(name, spec+"/") {
		return true
	}
	ok, err := path.Match(spec, name)
	return err == nil && ok
}
