package reset

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"slipway.dev/cluster/node/layout"
	"slipway.dev/cluster/supervise"
)

const (
	cgroupMount = "/sys/fs/cgroup"
	killLimit   = 30 * time.Second
	killEvery   = 50 * time.Millisecond
)

// processes finds everything of this instance: what is in its cgroups (pods and
// builds), and daemons and shims by the containerd address on their command line
// or by the marker in their environment.
func (t *Target) processes() map[int]string {
	found := map[int]string{}
	for _, dir := range t.cgroups() {
		procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(procs)) {
			if pid, err := strconv.Atoi(field); err == nil {
				found[pid] = "in cgroup " + dir
			}
		}
	}
	address := []byte("\x00" + t.ContainerdSocket() + "\x00")
	marker := []byte("SLIPWAY_CHILD=" + t.Layout.Run() + "/")
	for _, pid := range supervise.Pids() {
		proc := filepath.Join("/proc", strconv.Itoa(pid))
		if cmdline, err := os.ReadFile(filepath.Join(proc, "cmdline")); err == nil &&
			bytes.Contains(cmdline, []byte("containerd-shim")) && bytes.Contains(cmdline, address) {
			found[pid] = "shim"
			continue
		}
		environ, err := os.ReadFile(filepath.Join(proc, "environ"))
		if err == nil && (bytes.HasPrefix(environ, marker) || bytes.Contains(environ, append([]byte{0}, marker...))) {
			found[pid] = "child"
		}
	}
	delete(found, os.Getpid())
	return found
}

// killAll kills until nothing is left: what is killed may have been forking.
func (t *Target) killAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, killLimit)
	defer cancel()
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for {
		left := t.processes()
		if len(left) == 0 {
			return nil
		}
		for pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes: %d do not end after SIGKILL: %v", len(left), left)
		case <-tick.C:
		}
	}
}

// cgroups lists our cgroups in every hierarchy, a parent before its children.
func (t *Target) cgroups() []string {
	hierarchies, err := layout.Hierarchies(cgroupMount)
	if err != nil {
		return nil
	}
	var found []string
	for _, h := range hierarchies {
		_ = filepath.WalkDir(filepath.Join(h, t.CgroupName()), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				found = append(found, path)
			}
			return nil
		})
	}
	return found
}

// removeCgroups removes them, children first. The kernel lets go of a dead
// process a moment after it is gone, so it is tried for a while.
func (t *Target) removeCgroups(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, killLimit)
	defer cancel()
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for {
		dirs := t.cgroups()
		if len(dirs) == 0 {
			return nil
		}
		var last error
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := os.Remove(dirs[i]); err != nil {
				last = err
			}
		}
		if last == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cgroup: %w", last)
		case <-tick.C:
		}
	}
}
