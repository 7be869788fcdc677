package reset

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"slipway.dev/cluster/node/layout"
)

// mountPoints reads the mount points of a mountinfo file, in the order of mounting.
func mountPoints(mountinfo string) []string {
	var points []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		points = append(points, unescape(fields[4]))
	}
	return points
}

// unescape turns the octal escapes of mountinfo (space, tab, newline, backslash)
// back.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// mounts lists what is mounted below the data directory, not on it.
func (t *Target) mounts() ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, p := range mountPoints(string(data)) {
		if strings.HasPrefix(strings.TrimSuffix(p, "//deleted"), t.DataDir+"/") {
			found = append(found, p)
		}
	}
	return found, nil
}

// unmountAll unmounts, the last mounted first.
func (t *Target) unmountAll() error {
	mounts, err := t.mounts()
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range slices.Backward(mounts) {
		err := unix.Unmount(m, unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EBUSY) {
			err = unix.Unmount(m, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", m, err))
		}
	}
	return errors.Join(errs...)
}

// abandoned says whether a socket is there and nobody listens at it.
func abandoned(socket string) bool {
	conn, err := net.Dial("unix", socket)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, unix.ECONNREFUSED)
}

// files lists what lies outside the data directory.
func (t *Target) files() []string {
	var found []string
	for _, dir := range []string{"results", "cache/results"} {
		matches, _ := filepath.Glob(filepath.Join(layout.CNICache, dir, "*"))
		for _, m := range matches {
			if strings.HasPrefix(filepath.Base(m), t.CNINetwork()+"-") || t.within(m) {
				found = append(found, m)
			}
		}
	}
	if abandoned(layout.PluginSocket) {
		found = append(found, layout.PluginSocket)
	}
	for _, s := range t.sockets {
		if _, err := os.Lstat(s); err == nil && !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	return found
}

// within says whether a result of CNI is of a network namespace of ours: that of loopback
// has the same name for everybody.
func (t *Target) within(file string) bool {
	data, err := os.ReadFile(file)
	var result struct {
		NetNS string `json:"netns"`
	}
	return err == nil && json.Unmarshal(data, &result) == nil && strings.HasPrefix(result.NetNS, t.DataDir+"/")
}

func (t *Target) removeFiles() error {
	var errs []error
	for _, f := range t.files() {
		errs = append(errs, os.RemoveAll(f))
	}
	// Directories that the node made go when nobody else uses them.
	for _, dir := range layout.Outside() {
		if slices.Contains(t.made, dir) {
			_ = os.Remove(dir)
		}
	}
	return errors.Join(errs...)
}

// shimSockets reads the addresses of shims from containerd's bundles, as far as
// they lie outside the data directory.
func shimSockets(l layout.Layout) []string {
	var found []string
	bundles, _ := filepath.Glob(filepath.Join(l.ContainerdState(), "io.containerd.runtime.v2.task", "*", "*", "bootstrap.json"))
	for _, b := range bundles {
		data, err := os.ReadFile(b)
		if err != nil {
			continue
		}
		if s, ok := socketOf(data); ok && !strings.HasPrefix(s, l.DataDir+"/") {
			found = append(found, s, s+".debug")
		}
	}
	return found
}

func socketOf(bootstrap []byte) (string, bool) {
	var params struct {
		Address string `json:"address"`
	}
	if err := json.Unmarshal(bootstrap, &params); err != nil {
		return "", false
	}
	path, ok := strings.CutPrefix(params.Address, "unix://")
	return path, ok && filepath.IsAbs(path) && filepath.Clean(path) == path && filepath.Base(filepath.Dir(path)) == "s"
}
