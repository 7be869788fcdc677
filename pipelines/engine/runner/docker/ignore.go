package docker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// ignored says which paths of the context need not be sent, by the file that docker
// would read: <Dockerfile>.dockerignore, else .dockerignore. BuildKit applies the same
// file once more, so a directory is only left out where nothing in it is asked back.
func ignored(dir, dockerfile string) (func(path string, directory bool) bool, error) {
	for _, name := range []string{dockerfile + ".dockerignore", ".dockerignore"} {
		f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		patterns, err := ignorefile.ReadAll(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		m, err := patternmatcher.New(patterns)
		if err != nil {
			return nil, err
		}
		return func(path string, directory bool) bool {
			if path == dockerfile || path == name || directory && m.Exclusions() {
				return false
			}
			skip, err := m.MatchesOrParentMatches(path)
			return err == nil && skip
		}, nil
	}
	return nil, nil
}
