package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// machine is run by a systemd of its own, in namespaces that take this machine's files
// as they are and keep what is written to themselves.
type machine struct {
	dir   string
	group string // its control group
	cmd   *exec.Cmd
}

// newMachine boots one that has the installed program's parts in /srv: the binary,
// the base images and the playbook.
func newMachine(t *testing.T) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "slm-") // short: there are Unix sockets below
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{dir: dir, group: fmt.Sprintf("slipway-e2e-%d", os.Getpid())}
	t.Cleanup(func() {
		m.run(t, "umount", "-R", filepath.Join(dir, "share", "seed"))
		m.run(t, "umount", filepath.Join(dir, "layer"))
		m.run(t, "rm", "-r", "--one-file-system", dir)
	})
	for _, sub := range []string{"layer", "share/seed"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.run(t, "mount", "-t", "tmpfs", "tmpfs", filepath.Join(dir, "layer"))
	m.run(t, "mount", "--bind", filepath.Join(top, "build", "seed"), filepath.Join(dir, "share", "seed"))
	m.run(t, "cp", binary, filepath.Join(dir, "share", "slipway"))
	m.run(t, "cp", "-r", filepath.Join(top, "ansible"), filepath.Join(dir, "share", "ansible"))
	if t.Failed() {
		t.FailNow()
	}
	m.boot(t)
	t.Cleanup(func() { m.powerCut(t) })
	return m
}

func (m *machine) run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func (m *machine) boot(t *testing.T) {
	t.Helper()
	m.cmd = exec.Command("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child",
		filepath.Join(top, "server", "e2e", "testdata", "machine.sh"), m.dir, m.group)
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	log, err := os.OpenFile(filepath.Join(m.dir, "console.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	m.cmd.Stdout, m.cmd.Stderr = log, log
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		out, err := m.do("systemctl", "is-system-running")
		if state := strings.TrimSpace(out); state == "running" || state == "degraded" {
			return nil
		}
		said, _ := os.ReadFile(filepath.Join(m.dir, "console.log"))
		return fmt.Errorf("not booted: %v %s\n%s", err, out, said)
	})
}

// powerCut ends everything in the machine at once.
func (m *machine) powerCut(t *testing.T) {
	t.Helper()
	if err := m.cmd.Process.Kill(); err != nil { // and its child, process 1, with it
		t.Error(err)
	}
	_ = m.cmd.Wait()
	// Its control groups are this kernel's: a reboot would have taken them away.
	eventually(t, func() error {
		out, err := exec.Command("sh", "-c", `find /sys/fs/cgroup -depth -type d -path "*/$0*" -exec rmdir {} +`, m.group).CombinedOutput()
		if err != nil {
			return fmt.Errorf("control groups: %w %s", err, out)
		}
		return nil
	})
}

// do runs a command in the machine and returns what it printed; the error has what it
// complained of.
func (m *machine) do(args ...string) (string, error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", m.cmd.Process.Pid))
	if err != nil {
		return "", err
	}
	init := strings.TrimSpace(string(children))
	cmd := exec.Command("nsenter", append([]string{"-t", init, "-m", "-p", "-n", "-i", "-u", "-C", "-r", "-w"}, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	return string(out), err
}

func (m *machine) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := m.do(args...)
	if err != nil {
		log, _ := m.do("journalctl", "--no-pager", "-n", "12", "-u", "slipway")
		t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, log)
	}
	return out
}

// TestMachine installs the server with the playbook and with its own verb on a machine
// run by systemd, restarts it, cuts the power, and takes it away again.
func TestMachine(t *testing.T) {
	withServer(t)
	m := newMachine(t)
	play := func() string {
		return m.must(t, "env", "ANSIBLE_CONFIG=/srv/ansible/ansible.cfg", "ANSIBLE_NOCOWS=1", "ansible-playbook", "--connection=local", "-i", "localhost,",
			"/srv/ansible/site.yml", "-e", "slipway_hosts=localhost slipway_install_packages=false slipway_binary=/srv/slipway slipway_seed=/srv/seed")
	}
	if out := play(); strings.Contains(out, "changed=0") {
		t.Errorf("the first run of the playbook changed nothing:\n%s", out)
	}
	m.must(t, "slipway", "status", "--wait")
	if out := play(); !strings.Contains(out, "changed=0") {
		t.Errorf("the second run of the playbook changed something:\n%s", out)
	}

	m.must(t, "slipway", "kubectl", "run", "stays", "--image=busybox", "--", "sleep", "100000")
	pod := func(field string) string {
		return m.must(t, "slipway", "kubectl", "get", "pod", "stays", "-o", "jsonpath={.status.containerStatuses[0]."+field+"}")
	}
	running := func() {
		t.Helper()
		eventually(t, func() error {
			if out := pod("state.running"); out == "" {
				return fmt.Errorf("the pod does not run: %s", m.must(t, "slipway", "kubectl", "describe", "pod", "stays"))
			}
			return nil
		})
	}
	running()
	id := pod("containerID")
	m.must(t, "systemctl", "restart", "slipway")
	m.must(t, "slipway", "status", "--wait")
	if now := pod("containerID"); now != id {
		t.Errorf("a restart of the unit restarted a pod: %s was %s", now, id)
	}

	m.powerCut(t)
	m.boot(t)
	eventually(t, func() error { _, err := m.do("slipway", "status"); return err })
	eventually(t, func() error {
		if now := pod("containerID"); now == id {
			return fmt.Errorf("the pod's container is still %s", id)
		}
		return nil
	})
	running()
	id = pod("containerID")

	m.must(t, "slipway", "uninstall")
	if out, err := m.do("systemctl", "is-active", "slipway"); err == nil {
		t.Errorf("uninstalled, and %s", out)
	}
	m.must(t, "slipway", "install", "--", "--log-level", "debug")
	m.must(t, "slipway", "status", "--wait")
	if now := pod("containerID"); now != id {
		t.Errorf("installing it again restarted a pod: %s was %s", now, id)
	}
	unit := func() string {
		return m.must(t, "sh", "-c", "systemctl show slipway -p MainPID -p ExecMainStartTimestamp -p UnitFileState; stat -c '%n %Y %Z' /etc/systemd/system/slipway.service /usr/local/bin/slipway")
	}
	before := unit()
	m.must(t, "slipway", "install", "--", "--log-level", "debug")
	if after := unit(); after != before {
		t.Errorf("installed twice, and something changed:\n%s\n%s", before, after)
	}
	m.must(t, "slipway", "uninstall")
	if grouped, _ := m.left(); grouped == "" {
		t.Error("nothing runs before the reset: the search after it says nothing")
	}
	m.must(t, "slipway", "reset", "--data")
	if out := m.must(t, "ls", "-A", "/var/lib/slipway"); out != "" {
		t.Errorf("a reset left %s", out)
	}
	if grouped, files := m.left(); grouped+files != "" {
		t.Errorf("a reset left %s %s", grouped, files)
	}
	m.must(t, "slipway", "reset", "--data") // a second time there is nothing to do
}

// left are the processes and the groups of a server, and its files elsewhere.
func (m *machine) left() (grouped, files string) {
	grouped, _ = m.do("sh", "-c", `grep -El '/slipway-[0-9a-f]{8}(/|$)' /proc/[0-9]*/cgroup; find /sys/fs/cgroup -type d -name 'slipway-????????'; ps -eo pid,args | grep '[/]var/lib/slipway'`)
	files, _ = m.do("sh", "-c", "find /run/containerd 2>/dev/null; find /var/lib/cni -mindepth 1")
	return grouped, files
}
