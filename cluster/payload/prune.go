package payload

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// prune removes what is in base besides keep and is not in use. A directory is
// in use while a process runs from it: a shim of an earlier version still calls
// the runc beside it.
func prune(base, keep string) error {
	children, err := os.ReadDir(base)
	if err != nil {
		return err
	}
	var failed error
	running := executables()
	for _, child := range children {
		dir := filepath.Join(base, child.Name())
		if !child.IsDir() || dir == keep || inUse(dir, running) {
			continue
		}
		failed = errors.Join(failed, os.RemoveAll(dir))
	}
	return failed
}

func inUse(dir string, running []string) bool {
	for _, path := range running {
		if strings.HasPrefix(path, dir+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// executables lists the programs of all running processes. A process that ends
// meanwhile, or that we may not look at, is left out.
func executables() []string {
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return nil
	}
	var paths []string
	for _, link := range links {
		if path, err := os.Readlink(link); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}
