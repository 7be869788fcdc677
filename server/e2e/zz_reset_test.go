package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// places outside data directories where servers and their daemons keep things, or where
// upstream's would.
var places = []string{"/run/containerd", "/run/flannel", "/run/runc", "/var/lib/cni", "/etc/cni", "/var/lib/kubelet", "/var/lib/containerd"}

// ownPlaces covers the places with empty ones that only this mount namespace sees, so that
// no other cluster of the machine is taken for ours.
func ownPlaces() error {
	for _, dir := range places {
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// outside lists what is in the places.
func outside() (found []string) {
	for _, dir := range places {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				found = append(found, path)
			}
			return nil
		})
	}
	return found
}

// group is the name of the control group of the shared server's daemons and pods.
var group = regexp.MustCompile(`/(slipway-[0-9a-f]{8})(/|\n|$)`)

// running are the processes of the group, or whose command line, environment or
// directory names the data directory; this one is not of them. What has ended and only
// waits for process 1 to notice does not run.
func running(name string) (found []string) {
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		cgroups, _ := os.ReadFile(proc + "/cgroup")
		command, _ := os.ReadFile(proc + "/cmdline")
		environ, _ := os.ReadFile(proc + "/environ")
		cwd, _ := os.Readlink(proc + "/cwd")
		text := slices.Concat(command, environ, []byte(cwd))
		if stat, _ := os.ReadFile(proc + "/stat"); bytes.Contains(stat, []byte(") Z ")) {
			continue
		}
		if name != "" && bytes.Contains(cgroups, []byte("/"+name)) || bytes.Contains(text, []byte(dataDir)) {
			found = append(found, filepath.Base(proc)+" "+string(bytes.ReplaceAll(command, []byte{0}, []byte(" "))))
		}
	}
	return found
}

// nothingRuns looks from outside for what a server of the group left.
func nothingRuns(t *testing.T, name string) {
	t.Helper()
	for _, p := range running(name) {
		t.Errorf("process %s is left", p)
	}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == name {
			t.Errorf("control group %s is left", path)
		}
		return nil
	})
	if now := outside(); !slices.Equal(now, before) {
		t.Errorf("outside the data directory:\n%s\nbefore:\n%s", strings.Join(now, "\n"), strings.Join(before, "\n"))
	}
	for what, args := range map[string][]string{
		"links":  {"ip", "-o", "link"},
		"routes": {"ip", "-4", "route", "show", "table", "all", "type", "unreachable"},
		"tables": {"nft", "list", "tables"},
	} {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, " lo: ") && strings.TrimSpace(line) != "" {
				t.Errorf("left of %s: %s", what, line)
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), dataDir) {
		t.Errorf("mounts are left: %v", err)
	}
}

// TestResetLeavesNothing runs when all others have: it takes the shared server down,
// first without its data, which a new server finds, and then with it.
func TestResetLeavesNothing(t *testing.T) {
	if *lane == "alone" {
		t.Skip("after those that share the server")
	}
	t.Parallel()
	others.Wait()
	r := &repo{t: t, name: "lasting", dir: t.TempDir()} // without newRepo's clean-up: nothing is there for it
	r.git("init", "--quiet", "--initial-branch=main")
	r.write(map[string]string{"deploy/web.yaml": manifest(r.name)})
	r.push()
	if _, err := user.WaitApp(within(t), r.name, 1); err != nil {
		t.Fatal(err)
	}
	head := r.head()
	cgroups, err := os.ReadFile("/proc/" + processOf(t, must(t, "kubectl", "get", "pods", "-l", "app=lasting", "-o", "jsonpath={.items[0].metadata.name}")) + "/cgroup")
	m := group.FindSubmatch(cgroups)
	if err != nil || m == nil {
		t.Fatalf("the pod is in no group of ours: %v %s", err, cgroups)
	}
	name := string(m[1])
	if n := len(running(name)); n < 10 {
		t.Errorf("only %d processes are found before the reset: the search after it says nothing", n)
	}

	must(t, "reset", "--data-dir", dataDir)
	<-server.done
	nothingRuns(t, name)
	restart(t)
	if now := r.head(); now != head {
		t.Errorf("main was at %s, and after a reset without --data it is at %q", head, now)
	}
	if _, err := user.WaitApp(within(t), r.name, 1); err != nil {
		t.Error(err)
	}

	must(t, "app", "delete", r.name)
	must(t, "repo", "delete", r.name)
	must(t, "reset", "--data", "--data-dir", dataDir)
	<-server.done
	server = nil
	nothingRuns(t, name)
	if _, err := os.Stat(dataDir); !os.IsNotExist(err) {
		t.Errorf("the data directory is still there: %v", err)
	}
	if out := must(t, "reset", "--data", "--data-dir", dataDir); !strings.Contains(out, "nothing to take down") {
		t.Errorf("a second reset says %s", out)
	}
}
