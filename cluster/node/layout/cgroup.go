package layout

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Hierarchies lists the mounted hierarchies of cgroup v1 below mount, and the
// root itself for v2. A controller that several names point to is given once.
func Hierarchies(mount string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(mount, "cgroup.controllers")); err == nil {
		return []string{mount}, nil
	}
	entries, err := os.ReadDir(mount)
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	var found []string
	for _, e := range entries {
		dir, err := filepath.EvalSymlinks(filepath.Join(mount, e.Name()))
		if err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil && !slices.Contains(found, dir) {
			found = append(found, dir)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("cgroup: nothing mounted below %s; mount cgroups first (Debian: package cgroupfs-mount, or boot with systemd)", mount)
	}
	return found, nil
}
