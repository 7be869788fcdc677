// Package unit owns the systemd unit that brings the server back after a
// reboot: its text, its installation and its removal. It never starts a server
// itself. Start at Install.
package unit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"slipway.dev/cluster/atomicfile"
)

const (
	// Name of the unit.
	Name = "slipway.service"
	// Program is where the binary is installed.
	Program = "/usr/local/bin/slipway"
	// File is where the unit is installed.
	File = "/etc/systemd/system/" + Name
)

// StopTimeout is how long a server may take to stop before systemd kills it. It is longer
// than the server gives itself.
const StopTimeout = 2 * time.Minute

// Text is the unit. KillMode=process and Delegate: a stop or restart of the
// server leaves pods alone. LimitNOFILE: shims and etcd inherit it.
func Text(program string, args []string) string {
	command := program
	for _, a := range append([]string{"server"}, args...) {
		command += " " + quote(a)
	}
	return fmt.Sprintf(`[Unit]
Description=Slipway: from git push to a running release
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=%s
Restart=always
RestartSec=2
KillMode=process
KillSignal=SIGTERM
TimeoutStartSec=0
TimeoutStopSec=%d
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
`, command, int(StopTimeout.Seconds()))
}

// quote makes one word of a unit's command line: a percent sign and a dollar
// would be expanded by systemd.
func quote(s string) string {
	s = strings.NewReplacer("%", "%%", "$", "$$").Replace(s)
	if s != "" && !strings.ContainsAny(s, " \t\n\"'\\;") {
		return s
	}
	return strconv.Quote(s)
}

// ErrNoSystemd says that this machine is not run by systemd.
var ErrNoSystemd = errors.New("this machine is not run by systemd; start `slipway server` from its own init system, with KillMode=process semantics: signal only the server, not its children")

// Present says whether systemd runs this machine.
func Present() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// Install copies this binary to Program, writes the unit with these arguments of
// `slipway server`, enables and starts it. A second call changes nothing.
func Install(ctx context.Context, args []string) error {
	if !Present() {
		return ErrNoSystemd
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	binary, err := copyProgram(self, Program)
	if err != nil {
		return fmt.Errorf("install %s: %w", Program, err)
	}
	text := []byte(Text(Program, args))
	old, _ := os.ReadFile(File)
	changed := !bytes.Equal(old, text)
	if changed {
		if err := atomicfile.Write(File, text, 0o644); err != nil {
			return fmt.Errorf("install unit: %w", err)
		}
		if err := systemctl(ctx, "daemon-reload"); err != nil {
			return err
		}
	}
	if err := systemctl(ctx, "enable", Name); err != nil {
		return err
	}
	if changed || binary {
		return systemctl(ctx, "restart", Name)
	}
	return systemctl(ctx, "start", Name)
}

// Uninstall stops and removes the unit; the binary and the data stay.
func Uninstall(ctx context.Context) error {
	if !Present() {
		return ErrNoSystemd
	}
	if _, err := os.Stat(File); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := systemctl(ctx, "disable", "--now", Name); err != nil {
		return err
	}
	if err := os.Remove(File); err != nil {
		return err
	}
	return systemctl(ctx, "daemon-reload")
}

// Runs says whether pid is the main process of the unit.
func Runs(pid int) bool {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
	return err == nil && Present() && strings.Contains(string(data), "/"+Name)
}

// Stop stops the unit; without that, systemd would start the server again.
func Stop(ctx context.Context) error { return systemctl(ctx, "stop", Name) }

func systemctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// copyProgram copies unless the target is the same file or has the same content;
// it replaces by rename, so that a running server keeps its binary.
func copyProgram(from, to string) (changed bool, err error) {
	if same, err := sameContent(from, to); err != nil || same {
		return false, err
	}
	src, err := os.Open(from)
	if err != nil {
		return false, err
	}
	defer src.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return false, err
	}
	dst, err := os.CreateTemp(filepath.Dir(to), ".slipway.*")
	if err != nil {
		return false, err
	}
	defer os.Remove(dst.Name())
	_, err = io.Copy(dst, src)
	err = errors.Join(err, dst.Chmod(0o755), dst.Sync(), dst.Close())
	if err != nil {
		return false, err
	}
	return true, os.Rename(dst.Name(), to)
}

func sameContent(a, b string) (bool, error) {
	sa, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	sb, err := os.Stat(b)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if os.SameFile(sa, sb) {
		return true, nil
	}
	if sa.Size() != sb.Size() {
		return false, nil
	}
	fa, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer fa.Close()
	fb, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer fb.Close()
	bufA, bufB := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, errA := io.ReadFull(fa, bufA)
		m, errB := io.ReadFull(fb, bufB)
		if n != m || !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			return n == m, nil
		}
	}
}
