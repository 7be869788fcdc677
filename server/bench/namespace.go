package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

const insideEnv = "SLIPWAY_BENCH_NETNS"

// inNamespace runs this command line again within a fresh network namespace and
// removes the namespace when it has ended, however it ends.
func inNamespace(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("slipway-bench-%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		return fmt.Errorf("the benchmark needs root and iproute2: %w %s", err, out)
	}
	defer func() { _ = exec.Command("ip", "netns", "del", name).Run() }()
	enter := "--net=/var/run/netns/" + name
	if out, err := exec.Command("nsenter", enter, "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("nsenter: %w %s", err, out)
	}
	// The signal at our death is bound to the thread that starts the command.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{enter, self}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), insideEnv+"="+name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A group of its own: an interrupt reaches it once, from here, and it cleans up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted; everything was taken away")
		}
		return fmt.Errorf("benchmark: %w", err)
	}
	return nil
}
