package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"slipway.dev/cluster/node/layout"
)

const cgroupMount = "/sys/fs/cgroup"

// makeCgroup creates our cgroup in every controller. The kubelet refuses to
// start below one that does not exist.
func makeCgroup(mount, name string) error {
	if _, err := os.Stat(filepath.Join(mount, "cgroup.controllers")); err == nil {
		return makeUnified(mount, name)
	}
	hierarchies, err := layout.Hierarchies(mount)
	if err != nil {
		return err
	}
	for _, h := range hierarchies {
		dir := filepath.Join(h, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
		// A cpuset without processors and memory takes no process.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if err := inherit(h, dir, file); err != nil {
				return fmt.Errorf("cgroup: %w", err)
			}
		}
	}
	return nil
}

func inherit(parent, dir, file string) error {
	have, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil || strings.TrimSpace(string(have)) != "" {
		return nil // not a cpuset, or set already
	}
	from, err := os.ReadFile(filepath.Join(parent, file))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, file), from, 0o644)
}

// makeUnified does the same in cgroup v2, where a controller must be handed down
// from the root first.
func makeUnified(mount, name string) error {
	dir := filepath.Join(mount, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	available, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	var errs []error
	for _, controller := range strings.Fields(string(available)) {
		for _, d := range []string{mount, dir} {
			file := filepath.Join(d, "cgroup.subtree_control")
			if err := os.WriteFile(file, []byte("+"+controller), 0o644); err != nil && needed[controller] {
				errs = append(errs, fmt.Errorf("cgroup: controller %s can not be handed down: %w; "+
					"in a container, move its processes out of the root cgroup or start it with a private cgroup namespace", controller, err))
			}
		}
	}
	return errors.Join(errs...)
}

// needed are the controllers without which the kubelet does not start.
var needed = map[string]bool{"cpu": true, "cpuset": true, "memory": true, "pids": true}
